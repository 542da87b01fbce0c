"""A stream's last text saves steps when it says the same again, and changes nothing that is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pengi_stream.metrics import Metrics
from pengi_stream.models.pengi import PengiModelConfig
from pengi_stream.models.pengi.checkpoint import load_checkpoint
from pengi_stream.models.pengi.decoding.drafts import MOST_KEPT, Drafts
from pengi_stream.models.pengi.decoding.search import Decoded
from pengi_stream.models.pengi.model import PengiModel
from pengi_stream.models.pengi.text.context import Context
from pengi_stream.models.replicas import Replicas
from pengi_stream.options import DecodingOptions, Prompt
from pengi_stream.testing import context
from pengi_stream.types import Batch, Generation, Request, Stream

Ask = Callable[[PengiModel, int, Prompt], Request]

CAPTION = Prompt("caption", "generate audio caption", DecodingOptions(max_new_tokens=8))
EVENTS = Prompt("events", "this is a sound of", DecodingOptions(max_new_tokens=8))
STOP = 0


@pytest.fixture
def metrics() -> Metrics:
    """What drafts save."""
    return Metrics()


@pytest.fixture
def fresh(folder: Path, metrics: Metrics) -> PengiModel:
    """A model that heard nothing yet."""
    return PengiModel(load_checkpoint(str(folder)), torch.device("cpu"), torch.float32, metrics=metrics)


def at(request: Request, step: int, stream: str = "a") -> Request:
    return replace(request, window=replace(request.window, stream=Stream(stream), first_sample=step))


def say(model: PengiModel | Replicas, *requests: Request) -> list[Generation]:
    return model.generate(Batch(requests))


def counts(metrics: Metrics) -> list[float]:
    """Texts drafted, drafts that held whole, tokens that held."""
    names = ("drafts", "drafts_held", "draft_tokens_held")
    return [metrics.registry.get_sample_value(f"pengi_stream_{name}_total") or 0 for name in names]


def test_streams_say_with_drafts_what_they_say_without(
    fresh: PengiModel, folder: Path, metrics: Metrics, ask: Ask
) -> None:
    sounds = [0, 0, 0, 1, 1, 1, 0, 2, 2, 2, 2]
    for step in range(len(sounds)):
        requests = [
            at(ask(fresh, sounds[(step + shift) % len(sounds)], CAPTION), step, f"s{shift}") for shift in range(4)
        ]
        unheard = PengiModel(load_checkpoint(str(folder)), torch.device("cpu"), torch.float32)
        for found, expected in zip(say(fresh, *requests), say(unheard, *requests), strict=True):
            assert (found.text, found.tokens) == (expected.text, expected.tokens)
            assert round(found.confidence, 4) == round(expected.confidence, 4)
    offered, held, tokens = counts(metrics)
    assert 0 < held < offered
    assert tokens > held


def test_a_text_that_was_said_twice_is_offered_and_saves_its_steps(
    fresh: PengiModel, metrics: Metrics, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[tuple[int, int]] = []
    write = Context.write

    def watched(self: Context, model: object, tokens: torch.Tensor, *rest: object) -> torch.Tensor:
        reads.append((tokens.shape[0], tokens.shape[1]))
        return write(self, model, tokens, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Context, "write", watched)
    first, second, third = (say(fresh, at(ask(fresh, 0, CAPTION), step))[0] for step in range(3))
    assert first.text == second.text == third.text
    assert first.tokens == 8
    assert reads == [(1, 1)] * 14 + [(1, 7)]
    assert counts(metrics) == [1, 1, 8]


def test_each_stream_and_prompt_has_a_draft_of_its_own(fresh: PengiModel, metrics: Metrics, ask: Ask) -> None:
    for step in range(2):
        say(fresh, at(ask(fresh, 0, CAPTION), step, "a"), at(ask(fresh, 1, EVENTS), step, "b"))
    say(fresh, at(ask(fresh, 0, EVENTS), 2, "a"), at(ask(fresh, 1, CAPTION), 2, "b"))
    assert counts(metrics) == [0, 0, 0]
    say(fresh, at(ask(fresh, 0, CAPTION), 3, "a"), at(ask(fresh, 1, EVENTS), 3, "b"))
    assert counts(metrics)[:2] == [2, 2]


@pytest.mark.parametrize("options", [DecodingOptions(3, 8), DecodingOptions(1, 8, top_p=0.9)], ids=["beams", "sampled"])
def test_only_greedy_texts_are_drafted(fresh: PengiModel, metrics: Metrics, ask: Ask, options: DecodingOptions) -> None:
    for step in range(4):
        say(fresh, at(ask(fresh, 0, replace(CAPTION, options=options)), step))
    assert counts(metrics) == [0, 0, 0]


def test_copies_of_a_model_count_together(folder: Path, metrics: Metrics, ask: Ask) -> None:
    config = PengiModelConfig(type="pengi", checkpoint=str(folder), device=["cpu", "cpu"])
    assert isinstance(config.build(context(metrics=metrics, shape=None)), Replicas)
    copies = config.copies(metrics)
    for step in range(3):
        for copy in copies:
            say(copy, at(ask(copy, 0, CAPTION), step))
    assert counts(metrics)[0] == 2


def decoded(*texts: list[int]) -> Decoded:
    tokens = torch.tensor(texts)[:, None]
    lengths = torch.full((len(texts), 1), tokens.shape[2])
    return Decoded(tokens, lengths, torch.zeros(len(texts), 1))


def test_a_text_that_shared_too_little_with_the_one_before_is_not_offered(model: PengiModel, ask: Ask) -> None:
    drafts, request = Drafts(STOP), ask(model, 0, CAPTION)
    said = [([1, 2, 3, 4, STOP], ()), ([1, 2, 3, 5, STOP], (1, 2, 3, 5)), ([1, 2, 6, 5, STOP], ())]
    for step, (text, offered) in enumerate(said):
        drafts.learn([at(request, step)], decoded(text), [()])
        assert drafts.offer([at(request, step + 1)]) == [offered]


def test_a_stream_that_begins_again_has_said_nothing_yet(model: PengiModel, ask: Ask) -> None:
    drafts, windows = Drafts(STOP), [at(ask(model, 0, CAPTION), step) for step in range(4)]
    for request in windows[:2]:
        drafts.learn([request], decoded([1, 2, STOP]), [()])
    assert drafts.offer(windows[2:]) == [(1, 2)] * 2
    assert drafts.offer(windows) == [()] * 4
    assert drafts.offer(windows[2:]) == [()] * 2


def test_a_batch_in_which_too_few_drafts_would_hold_is_offered_none(model: PengiModel, ask: Ask) -> None:
    drafts, request = Drafts(STOP), ask(model, 0, CAPTION)
    for step in range(2):
        for stream in "abc":
            drafts.learn([at(request, step, stream)], decoded([1, 2, STOP]), [()])
    *steady, new, newer = (at(request, 2, stream) for stream in "abcde")
    assert drafts.offer([*steady, new]) == [(1, 2)] * 3 + [()]
    assert drafts.offer([*steady, new, newer]) == [()] * 5


def test_the_texts_of_the_streams_asked_about_longest_ago_are_forgotten(model: PengiModel, ask: Ask) -> None:
    drafts, request = Drafts(STOP), ask(model, 0, CAPTION)
    first, *others = [f"{number}" for number in range(MOST_KEPT + 1)]
    for stream in [first, first, *others, *others]:
        drafts.learn([at(request, 0, stream)], decoded([1, 2, STOP]), [()])
    assert drafts.offer([at(request, 1, first)]) == [()]
    assert drafts.offer([at(request, 1, stream) for stream in others]) == [(1, 2)] * MOST_KEPT

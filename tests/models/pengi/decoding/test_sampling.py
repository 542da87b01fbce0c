"""Sampled texts are random, and the same again for the same seed and window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pengi_stream.models.pengi.decoding.sampling import nucleus
from pengi_stream.models.pengi.model import PengiModel, before
from pengi_stream.options import DecodingOptions, Prompt
from pengi_stream.types import Batch, Request

Ask = Callable[[PengiModel, int, Prompt], Request]
SAMPLED = DecodingOptions(max_new_tokens=8, top_p=1, seed=5)
CAPTION = Prompt("caption", "generate audio caption", SAMPLED)


def texts(model: PengiModel, requests: list[Request]) -> list[str]:
    return [generation.text for generation in model.generate(Batch(tuple(requests)))]


def with_options(request: Request, **changes: object) -> Request:
    options = replace(request.options, **changes)  # type: ignore[arg-type]
    return replace(request, prompt=replace(request.prompt, options=options))


def test_a_sampled_text_is_the_same_alone_and_among_others(model: PengiModel, ask: Ask) -> None:
    requests = [ask(model, seed, CAPTION) for seed in range(11)]
    together = texts(model, requests)
    assert len(set(together)) > 5
    assert [texts(model, [request])[0] for request in requests] == together
    assert texts(model, requests[::-1]) == together[::-1]


def test_another_seed_or_another_window_draws_another_text(model: PengiModel, ask: Ask) -> None:
    request = ask(model, 0, CAPTION)
    seeds = {texts(model, [with_options(request, seed=seed)])[0] for seed in range(8)}
    later = {texts(model, [replace(request, window=replace(request.window, first_sample=n))])[0] for n in range(8)}
    assert min(len(seeds), len(later)) > 4


def test_a_small_top_p_is_greedy(model: PengiModel, ask: Ask) -> None:
    request = ask(model, 3, CAPTION)
    greedy = texts(model, [with_options(request, top_p=None)])
    assert texts(model, [with_options(request, top_p=1e-6)]) == greedy != texts(model, [request])


def test_a_low_temperature_is_greedy(model: PengiModel, ask: Ask) -> None:
    request = ask(model, 3, CAPTION)
    assert texts(model, [with_options(request, temperature=1e-3)]) == texts(model, [with_options(request, top_p=None)])


def test_added_text_is_read_behind_the_prompt_and_all_of_it_counts(model: PengiModel, ask: Ask) -> None:
    for seed in range(4):
        plain = ask(model, seed, replace(CAPTION, text="this is", options=DecodingOptions(max_new_tokens=8)))
        added, whole = with_options(plain, add_text=" a sound of"), ask(model, seed, Prompt("", "this is a sound of"))
        whole = replace(whole, prompt=replace(whole.prompt, options=plain.options))
        assert texts(model, [added]) == texts(model, [whole]) != texts(model, [plain])
        labels = ("a dog barks", "rain")
        [one], [other] = (
            model.generate(Batch((replace(r, prompt=replace(r.prompt, labels=labels)),))) for r in (added, whole)
        )
        assert one.scores == pytest.approx(other.scores, abs=1e-5)


def test_a_batch_of_prompts_of_different_length_is_read_with_the_added_text(model: PengiModel, ask: Ask) -> None:
    options = DecodingOptions(max_new_tokens=6, add_text=" rain")
    prompts = [replace(CAPTION, text="rain " * count, options=options) for count in (1, 7, 3)]
    requests = [ask(model, seed, prompt) for seed, prompt in enumerate(prompts)]
    assert texts(model, requests) == [texts(model, [request])[0] for request in requests]


def test_a_text_ends_before_the_first_stop(model: PengiModel, ask: Ask) -> None:
    request = ask(model, 1, replace(CAPTION, options=DecodingOptions(max_new_tokens=12)))
    [whole] = texts(model, [request])
    stop = whole[len(whole) // 2 :][:2]
    assert texts(model, [with_options(request, stop=("never written", stop))]) == [whole[: whole.index(stop)].strip()]


def test_the_earliest_of_several_stops_counts() -> None:
    assert before("rain, wind. sea", (".", ",")) == "rain"
    assert before("rain", (".",)) == before("rain", ()) == "rain"


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=12), st.floats(0, 1, exclude_max=True), st.floats(0.01, 1))
def test_only_the_likeliest_tokens_that_reach_top_p_are_drawn(weights: list[float], draw: float, top_p: float) -> None:
    probabilities = np.array(weights, np.float32) / np.sum(weights, dtype=np.float32)
    [drawn] = nucleus(torch.tensor(probabilities)[None].log(), torch.tensor([draw]), top_p).tolist()
    likelier = probabilities[probabilities > probabilities[drawn]].sum()
    assert likelier < top_p + 1e-5


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    draws = torch.linspace(0, 1, 1001)[:-1]
    logprobs = torch.tensor([0.1, 0.6, 0.3]).log().expand(len(draws), -1)
    counts = torch.bincount(nucleus(logprobs, draws, 1.0), minlength=3)
    assert counts.tolist() == pytest.approx([100, 600, 300], abs=2)
    counts = torch.bincount(nucleus(logprobs, draws, 0.8), minlength=3)
    assert counts.tolist() == pytest.approx([0, 667, 333], abs=2)


@pytest.mark.parametrize(
    "wrong",
    [{"top_p": 0.0}, {"top_p": 1.1}, {"top_p": 0.9, "beams": 3}, {"seed": -1}, {"stop": ("",)}, {"stop": "."}],
    ids=str,
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"found {next(iter(wrong))}="):
        DecodingOptions(**wrong)  # type: ignore[arg-type]

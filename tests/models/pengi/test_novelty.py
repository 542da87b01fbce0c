"""A prompt may ask that a stream whose sound hardly changes is given its last answer again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pengi_stream.errors import ModelError
from pengi_stream.models.pengi.checkpoint import load_checkpoint
from pengi_stream.models.pengi.model import PengiModel
from pengi_stream.models.pengi.novelty import MOST_KEPT, Novelty
from pengi_stream.options import Prompt
from pengi_stream.types import Batch, Generation, Request, Stream, Window

Ask = Callable[[PengiModel, int, Prompt], Request]

NOVELTY = 0.1
CAPTION = Prompt("caption", "generate audio caption", novelty=NOVELTY)
STREAM = Stream("a")


def heard(angle: float, prompt: Prompt = CAPTION, stream: Stream = STREAM, segment: int = 0) -> Request:
    """A request about a window whose embedding points that way, in degrees."""
    return Request(Window(stream, segment, 0, np.array([angle], np.float32), 1, 16_000, 0, 0, 0.0), prompt)


def directions(windows: Sequence[Window]) -> torch.Tensor:
    angles = torch.tensor([float(window.samples[0]) for window in windows]).deg2rad()
    return 7 * torch.stack((angles.cos(), angles.sin()), dim=1)


def angle_of(request: Request) -> str:
    return str(float(request.window.samples[0]))


def say_angle(requests: Sequence[Request]) -> list[Generation]:
    return [Generation(request, angle_of(request), 0.5, {"a": 1.0}) for request in requests]


def answers(novelty: Novelty, *requests: Request) -> list[tuple[str, bool]]:
    return [(made.text, made.repeated) for made in novelty.answer(requests, say_angle)]


def test_the_last_answer_is_given_again_until_the_sound_has_moved_away_from_where_it_was_asked() -> None:
    novelty = Novelty(directions)  # 0.1 is 25.8 degrees
    said = [answers(novelty, heard(angle))[0] for angle in (0, 20, 25, 27, 40, 52, 54)]
    assert said == [
        ("0.0", False),
        ("0.0", True),
        ("0.0", True),
        ("27.0", False),
        ("27.0", True),
        ("27.0", True),
        ("54.0", False),
    ]


def test_an_answer_that_is_given_again_keeps_confidence_and_scores_and_names_its_own_window() -> None:
    novelty, later = Novelty(directions), heard(1)
    novelty.answer([heard(0)], say_angle)
    [again] = novelty.answer([later], say_angle)
    assert again == Generation(later, "0.0", 0.5, {"a": 1.0}, repeated=True)


@given(st.lists(st.tuples(st.integers(0, 90), st.sampled_from("ab")), min_size=1, max_size=12), st.data())
def test_answers_do_not_depend_on_how_windows_share_batches(sounds: list[tuple[int, str]], data: st.DataObject) -> None:
    requests = [heard(angle, stream=Stream(stream)) for angle, stream in sounds]
    one_by_one, in_batches = Novelty(directions), Novelty(directions)
    expected = [answers(one_by_one, request)[0] for request in requests]
    found: list[tuple[str, bool]] = []
    while len(found) < len(requests):
        size = data.draw(st.integers(1, len(requests) - len(found)))
        found += answers(in_batches, *requests[len(found) : len(found) + size])
    assert found == expected


@pytest.mark.parametrize(
    "other",
    [
        heard(0, segment=500),
        heard(0, stream=Stream("a", session="2")),
        heard(0, stream=Stream("b")),
        heard(0, replace(CAPTION, text="this is a sound of")),
    ],
    ids=["a gap", "a new session", "another stream", "another prompt"],
)
def test_nothing_is_given_again_across(other: Request) -> None:
    novelty = Novelty(directions)
    assert answers(novelty, heard(0), other) == [("0.0", False), ("0.0", False)]


def test_without_the_option_each_window_is_asked_about_and_no_embedding_computed() -> None:
    plain = replace(CAPTION, novelty=None)

    def refuse(windows: Sequence[Window]) -> torch.Tensor:
        raise AssertionError("was asked for embeddings")

    assert answers(Novelty(refuse), heard(0, plain), heard(0, plain)) == [("0.0", False)] * 2
    assert answers(Novelty(directions), heard(0), heard(0, plain)) == [("0.0", False)] * 2


def test_a_batch_that_fails_is_as_if_it_had_not_been_asked() -> None:
    novelty = Novelty(directions)
    answers(novelty, heard(0))

    def fail(requests: Sequence[Request]) -> list[Generation]:
        raise ModelError("no")

    with pytest.raises(ModelError):
        novelty.answer([heard(50)], fail)
    assert answers(novelty, heard(10), heard(50)) == [("0.0", True), ("50.0", False)]


def test_the_answers_of_the_streams_asked_about_longest_ago_are_forgotten() -> None:
    novelty = Novelty(directions)
    streams = [heard(0, stream=Stream(str(number))) for number in range(MOST_KEPT)]
    answers(novelty, *streams)
    assert answers(novelty, heard(0, stream=Stream("one more")), streams[0]) == [("0.0", False), ("0.0", True)]
    assert answers(novelty, streams[0], streams[1]) == [("0.0", True), ("0.0", False)]


@pytest.mark.parametrize("labels", [(), ("rain", "a dog barks")], ids=["text", "labels"])
def test_a_model_says_the_same_again_about_the_same_sound_and_asks_about_another(
    folder: Path, ask: Ask, labels: tuple[str, ...]
) -> None:
    model = PengiModel(load_checkpoint(str(folder)), torch.device("cpu"), torch.float32)
    prompt = replace(CAPTION, labels=labels)
    first, again, other = (ask(model, seed, prompt) for seed in (0, 0, 1))
    said, repeated, new = model.generate(Batch((first, again, other)))
    assert [said.repeated, repeated.repeated, new.repeated] == [False, True, False]
    assert (repeated.text, repeated.confidence, repeated.scores) == (said.text, said.confidence, said.scores)
    [plain] = model.generate(Batch((ask(model, 1, replace(prompt, novelty=None)),)))
    assert plain.text == new.text

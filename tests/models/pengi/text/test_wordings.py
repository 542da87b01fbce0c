"""A user's own words for a label; texts say nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pengi_stream.lab.training.texts.writer import ALTERNATIVES
from pengi_stream.models.pengi.checkpoint import load_checkpoint
from pengi_stream.models.pengi.config import RankingConfig
from pengi_stream.models.pengi.model import PengiModel
from pengi_stream.models.pengi.text.wordings import once, wordings
from pengi_stream.options import Prompt
from pengi_stream.types import Batch, Request

Ask = Callable[[PengiModel, int, Prompt], Request]
PARTS = st.sampled_from(["rain", "perhaps rain", "a dog barks", "an unclear sound"])


@pytest.mark.parametrize(
    ("label", "other"),
    [
        ("my doorbell", "doorbell"),
        ("the dogs", "dog"),
        ("dogs barking", "dog barking"),
        ("babies crying", "baby crying"),
        ("church bells", "church bell"),
        ("glasses", "glass"),
    ],
)
def test_a_label_is_also_worded_plainly(label: str, other: str) -> None:
    assert other in wordings(label)


@pytest.mark.parametrize("label", ["glass breaking", "my", "bus"])
def test_words_that_only_look_like_plurals_stay(label: str) -> None:
    assert wordings(label) == (label,)


@given(st.text("aehmsty ", min_size=1).filter(str.strip))
def test_whose_it_is_changes_nothing(label: str) -> None:
    assert wordings(f"my {label.strip()}") == wordings(f"the {label.strip()}")
    assert {" ".join(text.split()) for text in wordings(label)} == set(wordings(f"a {label.strip()}"))


@given(st.text(min_size=1).filter(str.strip))
def test_no_wording_is_empty(label: str) -> None:
    assert wordings(label)
    assert all(text.strip() for text in wordings(label))


def test_a_label_is_ranked_by_the_best_of_its_wordings(folder: Path, ask: Ask) -> None:
    checkpoint = load_checkpoint(str(folder))
    rules = RankingConfig(reworded=True)
    reworded = replace(checkpoint, config=checkpoint.config.model_copy(update={"ranking": rules}))
    model = PengiModel(reworded, torch.device("cpu"), torch.float32)
    prompt = Prompt("label", "this is a sound of", labels=("my rain", "dogs", "a person"))
    [asked] = model.generate(Batch((ask(model, 0, prompt),)))
    plain = PengiModel(load_checkpoint(str(folder)), torch.device("cpu"), torch.float32)
    every = tuple(dict.fromkeys(text for label in prompt.labels for text in wordings(label)))
    [each] = plain.generate(Batch((ask(plain, 0, replace(prompt, labels=every)),)))
    best = {label: max((each.scores or {})[text] for text in wordings(label)) for label in prompt.labels}
    total = sum(best.values())
    assert asked.scores == pytest.approx({label: score / total for label, score in best.items()}, abs=1e-4)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("a cat meows, or perhaps a cat meows", "a cat meows"),
        ("a cow moos, or perhaps a cow moos or a person grunts", "a cow moos or a person grunts"),
        ("an unclear sound, perhaps rain or rain", "an unclear sound, perhaps rain"),
        ("perhaps rain or rain", "perhaps rain"),
        ("rain, dog barking, rain", "rain, dog barking"),
        ("rain falls and a dog barks as rain falls", "rain falls and a dog barks as rain falls"),
        ("", ""),
    ],
)
def test_what_was_said_is_left_out(said: str, expected: str) -> None:
    assert once(said, ALTERNATIVES) == expected


@given(PARTS, st.lists(st.tuples(st.sampled_from(ALTERNATIVES), PARTS), max_size=5))
def test_what_is_left_names_all_that_was_said_and_each_once(first: str, rest: list[tuple[str, str]]) -> None:
    said = first + "".join(joint + part for joint, part in rest)
    left = once(said, ALTERNATIVES)
    names = {part.removeprefix("perhaps ") for part in (first, *(part for _, part in rest))}
    assert all(left.count(name) == 1 for name in names)
    assert once(left, ALTERNATIVES) == left


def test_a_checkpoint_without_joints_says_what_it_says() -> None:
    assert once("rain, rain", ()) == "rain, rain"

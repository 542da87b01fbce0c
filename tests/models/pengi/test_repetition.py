"""Texts say nothing twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pengi_stream.models.pengi.repetition import once
from pengi_stream.training.texts import ALTERNATIVES

PARTS = st.sampled_from(["rain", "perhaps rain", "a dog barks", "an unclear sound"])


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

"""What --prompt and --labels ask."""

from __future__ import annotations

import pytest

from pengi_stream.cli.common import questions
from pengi_stream.errors import ConfigError


def test_prompts_are_called_by_their_first_words() -> None:
    asked = questions(["This is a sound of!", "question: is there a dog?", "?", "?"], "dog, rain")
    assert [prompt["id"] for prompt in asked] == [
        "this-is-a-sound-of",
        "question-is-there-a-dog",
        "prompt-3",
        "prompt-4",
    ]
    assert {tuple(prompt["labels"]) for prompt in asked} == {("dog", "rain")}


@pytest.mark.parametrize("labels", ["", " , ", "dog"])
def test_no_label_and_a_single_one_are_refused(labels: str) -> None:
    with pytest.raises(ConfigError, match=r"--labels: found . label.* expected two or more"):
        questions(None, labels)

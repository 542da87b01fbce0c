"""A prompt or label that the model hardly knows is told before its answers surprise."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tokenizers import Tokenizer

from pengi_stream.models.pengi import PengiModelConfig
from pengi_stream.models.pengi.remarks import remarks
from pengi_stream.options import Prompt
from pengi_stream.testing import context

MINI = Path(__file__).parents[3] / "pengi_stream/models/mini/tokenizer.json"
SOUND = "this is a sound of"


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(MINI))


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        (Prompt("a", "dog " * 2_500), "has 2501 tokens, of which 40 are read"),
        (Prompt("a", "a" * 10_000), "of which 40 are read"),
        (Prompt("a", "鳥の声"), "is no text that the model knows"),
        (Prompt("a", "🎉"), "is no text that the model knows"),
        (Prompt("a", SOUND, labels=("xqzzv", "blorptz")), "hardly knows the label(s) 'xqzzv', 'blorptz'"),
        (Prompt("a", SOUND, labels=("DOG", "rain")), "in small letters"),
        (Prompt("a", SOUND, labels=("dog",)), "one label is always chosen: 'dog' has the score 1"),
    ],
    ids=["many words", "one letter", "Chinese", "emoji", "nonsense", "capitals", "single"],
)
def test_what_surprises_is_told(tokenizer: Tokenizer, prompt: Prompt, words: str) -> None:
    [remark] = remarks(prompt, tokenizer, 40)
    assert words in remark
    assert len(remark) < 300


def test_plain_questions_and_labels_have_none(tokenizer: Tokenizer) -> None:
    labels = ("dog", "smoke detector", "glass breaking", "siren", "gunshot", "speech", "a baby cries", "tv")
    assert not list(remarks(Prompt("a", SOUND, labels=labels), tokenizer, 40))
    for text in ("generate audio caption", "question: is there a dog?", "generate metadata", "music analysis this is"):
        assert not list(remarks(Prompt("a", text), tokenizer, 40))


def test_the_model_tells_it_before_the_first_window() -> None:
    model = PengiModelConfig(type="pengi", device="cpu").build(context())
    with capture_logs() as logs:
        model.check_prompts([Prompt("zoo", SOUND, labels=("xqzzv", "dog")), Prompt("caption", SOUND)])  # type: ignore[union-attr]
    assert [(line["event"], line["prompt"]) for line in logs] == [("prompt_remark", "zoo")]

"""What a model can be asked, and hardly answer."""

from __future__ import annotations

from collections.abc import Iterator

from tokenizers import Tokenizer

from pengi_stream.options import Prompt

SPELT_OUT = 0.5  # tokens for each letter; words that the model knows have fewer than 0.4
LEAST_LETTERS = 3
SHOWN_LETTERS = 40


def remarks(prompt: Prompt, tokenizer: Tokenizer, most_tokens: int) -> Iterator[str]:
    """What to tell the user of `prompt` before its answers surprise, a line each."""
    tokens = len(tokenizer.encode(prompt.text).ids)
    if tokens > most_tokens:
        yield f"the prompt has {tokens} tokens, of which {most_tokens} are read; shorten it"
    elif _is_spelt_out(prompt.text, tokenizer):
        yield f"{_shown(prompt.text)} is no text that the model knows; texts may be empty, or about something else"
    unknown = [label for label in prompt.labels if _is_spelt_out(label, tokenizer)]
    if unknown:
        named = ", ".join(map(_shown, unknown))
        yield f"the model hardly knows the label(s) {named}; use English words for sounds, in small letters"
    if len(prompt.labels) == 1:
        yield f"one label is always chosen: {_shown(prompt.labels[0])} has the score 1 whatever is heard; add others"


def _is_spelt_out(text: str, tokenizer: Tokenizer) -> bool:
    """Whether `tokenizer` has hardly more than the letters of it."""
    letters = sum(not char.isspace() for char in text)
    return bool(letters >= LEAST_LETTERS or not text.isascii()) and len(tokenizer.encode(text).ids) > SPELT_OUT * max(
        1, letters
    )


def _shown(text: str) -> str:
    return repr(text if len(text) <= SHOWN_LETTERS else f"{text[:SHOWN_LETTERS]}...")

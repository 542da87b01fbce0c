"""What is asked, and how text is generated."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

MOST_BEAMS = 64


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """How text is generated; requests of one batch share it. Raises ValueError for what makes no sense."""

    beams: int = 1
    max_new_tokens: int = 30
    temperature: float = 1.0
    """Divides the logits; it does not make greedy or beam search random."""
    top_p: float | None = None
    """Draw each token at random, from the fewest tokens whose probabilities reach this sum (1: from all), by `seed` and
    the window's first sample, so that what else is in the batch changes nothing. None: greedy or beam search."""
    seed: int = 0
    add_text: str = ""
    """Additional text between prompt and answer, as the language model reads it; begin it with a space."""
    stop: tuple[str, ...] = ()
    """The text ends before the first of these; `confidence` is of all that was written."""

    @property
    def greedy(self) -> bool:
        """Whether each token is the likeliest one."""
        return self.beams == 1 and self.top_p is None

    def __post_init__(self) -> None:
        checks = {
            "beams": (_whole(self.beams, 1) and self.beams <= MOST_BEAMS, f"a whole number from 1 to {MOST_BEAMS}"),
            "max_new_tokens": (_whole(self.max_new_tokens, 1), "a whole number above 0"),
            "temperature": (_number(self.temperature) and 0 < self.temperature < inf, "a number above 0"),
            "top_p": (
                self.top_p is None or (_number(self.top_p) and 0 < self.top_p <= 1 and self.beams == 1),
                "a number above 0 and up to 1, and one beam",
            ),
            "seed": (_whole(self.seed, 0), "a whole number from 0"),
            "add_text": (isinstance(self.add_text, str), "a text"),
            "stop": (_texts(self.stop), "a tuple of texts that are not empty"),
        }
        for name, (is_right, expected) in checks.items():
            if not is_right:
                raise ValueError(f"decoding options: found {name}={getattr(self, name)!r}, expected {expected}")


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and value >= least


def _texts(value: object) -> bool:
    return isinstance(value, tuple) and all(value)


def _number(value: object) -> bool:
    return isinstance(value, int | float)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the user asks about each window."""

    id: str
    text: str
    options: DecodingOptions = DecodingOptions()
    labels: tuple[str, ...] = ()
    """Close-ended prompt: these are ranked, nothing is generated."""
    threshold: float = 0.0
    """Events with less confidence are not emitted."""
    novelty: float | None = None
    """A window that is less than this from the last one that was asked about, by the cosine distance of their
    embeddings (0 to 2), gets the answer of that again. None: each window is asked about."""
    only_changes: bool = False
    """A text is emitted only where it differs from the last one of its stream."""
    streams: tuple[str, ...] = ("*",)
    """Patterns (fnmatch) of the stream ids that are asked."""

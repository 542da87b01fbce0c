"""What is asked, and how text is generated."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """How text is generated; requests of one batch share it."""

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
        wrong = {
            "beams": self.beams < 1,
            "max_new_tokens": self.max_new_tokens < 1,
            "temperature": not self.temperature > 0,
            "top_p": self.top_p is not None and not (0 < self.top_p <= 1 and self.beams == 1),
            "seed": self.seed < 0,
            "stop": not all(self.stop) or not isinstance(self.stop, tuple),
        }
        for name in (name for name, is_wrong in wrong.items() if is_wrong):
            raise ValueError(
                f"decoding options: found {name}={getattr(self, name)!r}; expected beams, max_new_tokens "
                "and temperature above 0, top_p above 0 and up to 1, with one beam, seed from 0, a tuple of stops"
            )


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
    streams: tuple[str, ...] = ("*",)
    """Patterns (fnmatch) of the stream ids that are asked."""

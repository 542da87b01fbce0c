"""What chooses the tokens of texts, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

FILLER_TOKEN = 0  # what a finished beam goes on with, at no cost


@dataclass(frozen=True, slots=True)
class Decoded:
    """The beams of each request, best first."""

    tokens: Tensor  # (batch, beams, tokens), filled with FILLER_TOKEN behind their lengths
    lengths: Tensor  # (batch, beams), with the stop token
    scores: Tensor  # (batch, beams): mean log-probability of the tokens


class Search(Protocol):
    """Chooses the tokens of a batch of requests."""

    @property
    def done(self) -> bool:
        """All texts have stopped."""
        ...

    @property
    def last_tokens(self) -> Tensor:
        """(batch, beams)."""
        ...

    def update(self, logprobs: Tensor) -> Tensor:
        """Take the next tokens by `logprobs` (batch, beams, vocabulary); returns the beams that they go on from."""
        ...

    def finalize(self) -> Decoded:
        """The texts, best first."""
        ...


def repeated(index: Tensor, rows: Tensor) -> Tensor:
    """(batch, beams) -> (batch, beams, size of a row)."""
    return index[:, :, None].expand(-1, -1, rows.shape[-1])

"""What chooses the tokens of texts, and what it gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import copy
from dataclasses import dataclass
from typing import Self

from torch import Tensor
from torch.nn import functional

FILLER_TOKEN = 0  # what a finished beam goes on with, at no cost


@dataclass(frozen=True, slots=True)
class Decoded:
    """The beams of each request, best first."""

    tokens: Tensor  # (batch, beams, tokens), filled with FILLER_TOKEN behind their lengths
    lengths: Tensor  # (batch, beams), with the stop token
    scores: Tensor  # (batch, beams): mean log-probability of the tokens
    logprobs: Tensor | None = None  # (batch, beams, tokens), of each token, 0 behind the lengths; where they are known

    def replaced(self, rows: Tensor, others: Decoded) -> Decoded:
        """`others` in the place of `rows` (n,)."""
        longest = max(self.tokens.shape[2], others.tokens.shape[2])
        return Decoded(
            _filled(self.tokens, longest).index_copy(0, rows, _filled(others.tokens, longest)),
            self.lengths.index_copy(0, rows, others.lengths),
            self.scores.index_copy(0, rows, others.scores),
            None
            if self.logprobs is None or others.logprobs is None
            else _filled(self.logprobs, longest).index_copy(0, rows, _filled(others.logprobs, longest)),
        )


class Search(ABC):
    """Chooses the tokens of a batch of requests. Each tensor that it holds has a row for each request."""

    @property
    @abstractmethod
    def running(self) -> Tensor:
        """(batch,), true where a text goes on."""

    @property
    @abstractmethod
    def last_tokens(self) -> Tensor:
        """(batch, beams)."""

    @property
    @abstractmethod
    def depths(self) -> Tensor:
        """(batch, beams): how many tokens of the text are before the last."""

    @abstractmethod
    def update(self, logprobs: Tensor) -> Tensor:
        """Take the next tokens by `logprobs` (batch, beams, vocabulary); returns the beams that they go on from."""

    @abstractmethod
    def finalize(self) -> Decoded:
        """The texts, best first."""

    def rows(self, rows: Tensor) -> Self:
        """The same for `rows` (n,) alone; this one stays as it is."""
        part = copy(self)
        vars(part).update({name: held[rows] for name, held in vars(self).items() if isinstance(held, Tensor)})
        return part


def _filled(tokens: Tensor, length: int) -> Tensor:
    return functional.pad(tokens, (0, length - tokens.shape[2]), value=FILLER_TOKEN)


def repeated(index: Tensor, rows: Tensor) -> Tensor:
    """(batch, beams) -> (batch, beams, size of a row)."""
    return index[:, :, None].expand(-1, -1, rows.shape[-1])

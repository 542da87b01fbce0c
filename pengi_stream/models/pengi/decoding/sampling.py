"""Random texts, the same for the same seed and window whatever shares the batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pengi_stream.models.pengi.decoding.search import FILLER_TOKEN, Decoded, Search
from pengi_stream.options import DecodingOptions


class Sampling(Search):
    """One text for each request of a batch, token by token. Each request has its own random numbers."""

    def __init__(
        self, first_logprobs: Tensor, options: DecodingOptions, first_samples: Sequence[int], stop_token: int
    ) -> None:
        """`first_logprobs` (batch, vocabulary) of the first token; `first_samples` of the requests' windows."""
        self._top_p = options.top_p or 1.0
        self._stop_token = stop_token
        draws = [np.random.default_rng([options.seed, n]).random(options.max_new_tokens) for n in first_samples]
        self._draws = torch.tensor(np.stack(draws), dtype=torch.float32, device=first_logprobs.device)
        self._tokens = first_logprobs.new_zeros((len(first_samples), 0), dtype=torch.long)
        self._totals = first_logprobs.new_zeros(len(first_samples))
        self._lengths = torch.zeros_like(self._totals, dtype=torch.long)
        self._stopped = torch.zeros_like(self._totals, dtype=torch.bool)
        self.update(first_logprobs[:, None])

    @property
    def running(self) -> Tensor:
        """See `Search.running`."""
        return ~self._stopped & (self._tokens.shape[1] < self._draws.shape[1])

    @property
    def last_tokens(self) -> Tensor:
        """See `Search.last_tokens`."""
        return self._tokens[:, -1:]

    @property
    def depths(self) -> Tensor:
        """See `Search.depths`."""
        return torch.full_like(self.last_tokens, self._tokens.shape[1] - 1)

    def update(self, logprobs: Tensor) -> Tensor:
        """Draw the next tokens by `logprobs` (batch, 1, vocabulary); each text goes on from itself: (batch, 1)."""
        drawn = nucleus(logprobs[:, 0], self._draws[:, self._tokens.shape[1]], self._top_p)
        gained = logprobs[:, 0].gather(1, drawn[:, None])[:, 0]
        self._totals = torch.where(self._stopped, self._totals, self._totals + gained)
        self._lengths = self._lengths + ~self._stopped
        drawn = torch.where(self._stopped, FILLER_TOKEN, drawn)
        self._tokens = torch.cat((self._tokens, drawn[:, None]), dim=1)
        self._stopped = self._stopped | (drawn == self._stop_token)
        return torch.zeros_like(self.last_tokens)

    def finalize(self) -> Decoded:
        """The texts, as one beam each."""
        scores = self._totals / self._lengths
        return Decoded(self._tokens[:, None], self._lengths[:, None], scores[:, None])


def nucleus(logprobs: Tensor, draws: Tensor, top_p: float) -> Tensor:
    """Tokens (batch,) at `draws` (batch,) from 0 to 1 of the fewest tokens whose probabilities reach `top_p`."""
    probabilities, tokens = logprobs.exp().sort(dim=-1, descending=True, stable=True)
    reached = probabilities.cumsum(dim=-1)
    kept = reached - probabilities < top_p
    kept[:, 0] = True
    mass = (probabilities * kept).sum(dim=-1)
    place = (reached <= (draws * mass)[:, None]).sum(dim=-1)
    return tokens.gather(1, place.clamp(max=kept.sum(dim=-1) - 1)[:, None])[:, 0]

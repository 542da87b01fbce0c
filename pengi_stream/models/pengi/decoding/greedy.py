"""The likeliest token each time, from a draft on where there is one."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from pengi_stream.models.pengi.decoding.search import FILLER_TOKEN, Decoded, Search

NO_TOKEN = -1  # what drafts are padded with


class Greedy(Search):
    """One text for each request of a batch. It begins with as much of the request's draft as it would have written, and
    with the token that it writes next: what it says does not depend on drafts."""

    def __init__(self, logprobs: Tensor, drafts: Tensor, stop_token: int, longest: int) -> None:
        """`logprobs` (batch, 1 + drafted, vocabulary) of the first token, and of the one behind each token of `drafts`
        (batch, drafted), padded with NO_TOKEN; `longest` text in tokens, more than are drafted."""
        self._stop_token = stop_token
        gained, tokens = logprobs.max(dim=-1)
        held = (tokens[:, :-1] == drafts) & (drafts != stop_token)
        written = functional.pad(held, (1, 0), value=True).cumprod(dim=1).bool()
        self._lengths = written.sum(dim=1)
        room = (0, longest - tokens.shape[1])
        self._tokens = functional.pad(tokens.masked_fill(~written, FILLER_TOKEN), room, value=FILLER_TOKEN)
        self._gained = functional.pad(gained.masked_fill(~written, 0), room)

    @property
    def running(self) -> Tensor:
        """See `Search.running`."""
        return (self.last_tokens[:, 0] != self._stop_token) & (self._lengths < self._tokens.shape[1])

    @property
    def last_tokens(self) -> Tensor:
        """See `Search.last_tokens`."""
        return self._tokens.gather(1, self.depths)

    @property
    def depths(self) -> Tensor:
        """See `Search.depths`."""
        return self._lengths[:, None] - 1

    def update(self, logprobs: Tensor) -> Tensor:
        """See `Search.update`."""
        running = self.running[:, None]
        gained, tokens = logprobs.max(dim=-1)
        self._lengths = self._lengths + running[:, 0]
        place = self.depths
        self._tokens = self._tokens.scatter(1, place, torch.where(running, tokens, self._tokens.gather(1, place)))
        self._gained = self._gained.scatter(1, place, torch.where(running, gained, self._gained.gather(1, place)))
        return torch.zeros_like(place)

    def finalize(self) -> Decoded:
        """The texts, as one beam each."""
        longest = int(self._lengths.max())
        scores = self._gained.sum(dim=1) / self._lengths
        tokens, logprobs = self._tokens[:, None, :longest], self._gained[:, None, :longest]
        return Decoded(tokens, self._lengths[:, None], scores[:, None], logprobs)

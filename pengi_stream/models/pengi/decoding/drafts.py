"""Streams repeat themselves: what a stream said last is a draft of what it says next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from operator import eq
from statistics import fmean

import torch
from torch import Tensor

from pengi_stream.metrics import Metrics
from pengi_stream.models.pengi.decoding.greedy import NO_TOKEN
from pengi_stream.models.pengi.decoding.search import Decoded
from pengi_stream.options import DecodingOptions
from pengi_stream.types import Request

MOST_KEPT = 4096  # texts: one for each stream and prompt; those asked about longest ago are forgotten
LIKELY = 0.5  # share of a stream's last text that a draft must have saved, or would have, for the next to be offered
WORTHWHILE = 0.75  # the same, in the mean over a batch: reading drafts costs as much as writing a few tokens

Tokens = tuple[int, ...]
_Key = tuple[str, str, DecodingOptions]


@dataclass(frozen=True, slots=True)
class _Said:
    text: Tokens
    again: float
    """Share of `text` that a draft of the one before would have saved"""
    first_sample: int
    """Of its window"""


_NOTHING = _Said((), 0, 0)


class Drafts:
    """Keeps the last text of each stream and prompt, without the stop token. One thread at a time."""

    def __init__(self, stop_token: int, metrics: Metrics | None = None) -> None:
        """`metrics`: where drafts are counted"""
        self._stop_token = stop_token
        self._metrics = metrics
        self._last: dict[_Key, _Said] = {}

    def offer(self, requests: Sequence[Request]) -> list[Tokens]:
        """A draft for each request, () where there is none; for greedy search.

        A stream that begins again has said nothing yet: what is asked twice is computed alike, to the last digit."""
        said = [self._before(request) for request in requests]
        if fmean(last.again for last in said) < WORTHWHILE:
            return [()] * len(said)
        return [last.text if last.again >= LIKELY else () for last in said]

    def learn(self, requests: Sequence[Request], decoded: Decoded, drafts: Sequence[Tokens]) -> None:
        """Keep what was said, and count what `drafts` saved."""
        rows = zip(requests, decoded.tokens[:, 0].tolist(), decoded.lengths[:, 0].tolist(), drafts, strict=False)
        for request, tokens, length, draft in rows:
            text = tuple(token for token in tokens[:length] if token != self._stop_token)
            key = _key(request)
            before = self._last.pop(key, None)
            again = _shared(before.text, text) / max(1, len(text)) if before else 0
            self._last[key] = _Said(text, again, request.first_sample)
            if draft:
                self._count(draft, text)
        while len(self._last) > MOST_KEPT:
            del self._last[next(iter(self._last))]

    def _before(self, request: Request) -> _Said:
        said = self._last.get(_key(request), _NOTHING)
        if said.first_sample < request.first_sample:
            return said
        self._last.pop(_key(request), None)
        return _NOTHING

    def _count(self, draft: Tokens, text: Tokens) -> None:
        if self._metrics is not None:
            self._metrics.drafts.inc()
            self._metrics.drafts_held.inc(draft == text)
            self._metrics.draft_tokens_held.inc(_shared(draft, text))


def padded_drafts(drafts: Sequence[Tokens], device: torch.device) -> Tensor:
    """(batch, longest), padded with NO_TOKEN."""
    longest = max(map(len, drafts))
    rows = [[*draft, *[NO_TOKEN] * (longest - len(draft))] for draft in drafts]
    return torch.tensor(rows, dtype=torch.long, device=device).view(len(drafts), longest)


def _key(request: Request) -> _Key:
    return request.stream.id, request.prompt.text, request.options


def _shared(one: Tokens, other: Tokens) -> int:
    """Tokens with which both begin."""
    return sum(takewhile(bool, map(eq, one, other)))

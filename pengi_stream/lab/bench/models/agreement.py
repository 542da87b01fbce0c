"""How far a model in reduced precision says what the same model says in another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pengi_stream.lab.bench.models.model import Run
from pengi_stream.lab.bench.models.subject import ObservedPengi
from pengi_stream.types import Request

AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of the texts of one model with those of the first, about the same windows."""

    texts: int
    same: float
    """Share of the texts that are the same"""
    score_lost: float
    """Mean over all texts, in nats a token: how much less likely the first model finds them than its own"""


def agreement(first: ObservedPengi, model: ObservedPengi, own: Sequence[Run], others: Sequence[Run]) -> Agreement:
    """Of `own` runs of the `first` model and `others` of `model`, which heard the same windows.

    What they do not agree about is asked again, to see its tokens. Computes for a while. Raises ModelError."""
    pairs = [
        pair for one, other in zip(own, others, strict=True) for pair in zip(one.answers, other.answers, strict=True)
    ]
    differing = [answer.request for answer, other in pairs if answer.text != other.text]
    lost = 0.0
    for start in range(0, len(differing), AT_ONCE):
        lost += _lost(first, model, differing[start : start + AT_ONCE])
    return Agreement(len(pairs), 1 - len(differing) / len(pairs), lost / len(pairs))


def _lost(first: ObservedPengi, model: ObservedPengi, requests: Sequence[Request]) -> float:
    """The sum over `requests`."""
    texts = zip(requests, first.written(requests), model.written(requests), strict=True)
    return sum(first.score(request, own) - first.score(request, other) for request, own, other in texts)

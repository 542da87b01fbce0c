"""How far a model in reduced precision says what the same model says in another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from pengi_stream.bench.model import Run
from pengi_stream.models.pengi.config import RankingConfig
from pengi_stream.models.pengi.model import PengiModel
from pengi_stream.types import Generation

RULES = RankingConfig(length_normalized=True, prior_corrected=False, reworded=False)


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of the texts of one model with those of the first, about the same windows."""

    texts: int
    same: float
    """Share of the texts that are the same"""
    score_lost: float
    """Mean over all texts, in nats a token: how much less likely the first model finds them than its own"""


def agreement(reference: PengiModel, expected: Sequence[Run], found: Sequence[Run]) -> Agreement:
    """Of runs that heard the same windows. Computes for a moment. Raises ModelError."""
    pairs = [
        pair
        for one, other in zip(expected, found, strict=True)
        for pair in zip(one.answers, other.answers, strict=True)
    ]
    lost = [_lost(reference, own, other) for own, other in pairs]
    return Agreement(len(pairs), mean(own.text == other.text for own, other in pairs), mean(lost))


def _lost(reference: PengiModel, own: Generation, other: Generation) -> float:
    if own.text == other.text or not (own.text and other.text):
        return 0.0
    request = own.request
    scores = reference.label_scores([request.window], request.prompt.text, (own.text, other.text), RULES)
    return float(scores[0, 0] - scores[0, 1])

"""How good answers are: average precision. No model, no audio."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


def average_precision(relevant: NDArray[np.bool_], scores: NDArray[np.floating[Any]]) -> float:
    """Area under the precision-recall steps of one label; (files,) each. At least one file must be relevant.

    Files with the same score are retrieved together, so that their order changes nothing.
    """
    order = np.argsort(-scores, kind="stable")
    last_of_score = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    hits = np.cumsum(relevant[order])[last_of_score]
    precision = hits / (last_of_score + 1)
    gained = np.diff(hits, prepend=0) / hits[-1]
    return float((precision * gained).sum())


@dataclass(frozen=True, slots=True)
class Precisions:
    """Average precision of each label that some file has."""

    by_label: Mapping[str, float]

    @property
    def mean(self) -> float:
        """mAP: every label counts the same."""
        return float(np.mean(list(self.by_label.values())))


def precisions(labels: Sequence[str], truths: Sequence[Collection[str]], scores: NDArray[np.float32]) -> Precisions:
    """Of `scores` (files, labels) about files that have the labels `truths`; labels that no file has are left out."""
    by_label = {}
    for label, of_label in zip(labels, scores.T, strict=True):
        relevant = np.array([label in truth for truth in truths])
        if relevant.any():
            by_label[label] = average_precision(relevant, of_label)
    return Precisions(by_label)

"""How good answers are: average precision. No model, no audio."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score


@dataclass(frozen=True, slots=True)
class Precisions:
    """Average precision of each label that some file has."""

    by_label: Mapping[str, float]

    @property
    def mean(self) -> float:
        """mAP: every label counts the same."""
        return float(np.mean(list(self.by_label.values())))


def precisions(labels: Sequence[str], truths: Sequence[Collection[str]], scores: NDArray[np.float32]) -> Precisions:
    """Of `scores` (files, labels) about files that have the labels `truths`; labels that no file has are left out.

    Files with the same score are retrieved together, so that their order changes nothing.
    """
    by_label = {}
    for label, of_label in zip(labels, scores.T, strict=True):
        relevant = np.array([label in truth for truth in truths])
        if relevant.any():
            by_label[label] = float(average_precision_score(relevant, of_label))
    return Precisions(by_label)

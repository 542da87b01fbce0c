"""When a site's own sounds are heard: one linear detector for each caption."""

from __future__ import annotations

import torch
from torch import Tensor

RIDGE = 0.3
"""Against the variance of a standardized feature: detectors that lean on many features a little"""
THRESHOLD, STEEPNESS = 0.2, 6.0
"""Of a detector, which is about 1 for its own windows and -1 for others: where and how it rises"""


def fit_detectors(own: Tensor, owners: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Weight (captions, features) and bias (captions,), by least squares: own windows against all others.

    `own` (windows, features) of the captions `owners` (windows,); `other` (windows, features).
    """
    count = int(owners.max()) + 1
    features = torch.cat((own, other)).double()
    targets = -torch.ones(len(features), count, dtype=torch.float64)
    targets[torch.arange(len(own)), owners] = 1
    weights = torch.ones(len(features), dtype=torch.float64)
    weights[: len(own)] = (len(other) / (4 * count * owners.bincount().double()))[owners]
    weights = (weights / weights.sum())[:, None]
    centre, level = (weights * features).sum(dim=0), (weights * targets).sum(dim=0)
    centred = features - centre
    gram = centred.T @ (weights * centred) + RIDGE * torch.eye(features.shape[1], dtype=torch.float64)
    found = torch.linalg.solve(gram, centred.T @ (weights * (targets - level)))
    bias = level - centre @ found - THRESHOLD
    return STEEPNESS * found.T.float(), STEEPNESS * bias.float()

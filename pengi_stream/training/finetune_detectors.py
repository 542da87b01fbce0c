"""When a site's own sounds are heard: one linear detector for each caption, as two hidden units of the mapper."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pengi_stream.models.pengi.mapper import MlpMapper

RIDGE = 0.3
"""Against the variance of a standardized feature: detectors that lean on many features a little"""
THRESHOLD, STEEPNESS, STEP = 0.2, 6.0, 2.0
"""Of a detector, which is about 1 for its own windows and -1 for others: where and how its units rise, and how far"""
REACH = 200.0
"""How much faster than the language model's weights the prefixes learn"""


class Detectors:
    """Least squares, the windows of each caption against all others."""

    def __init__(self, own: Tensor, owners: Tensor, other: Tensor) -> None:
        """`own` (windows, features) of the captions `owners` (windows,); `other` (windows, features)."""
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
        self.weight = found.T.float()  # (captions, features)
        self.bias = (level - centre @ found).float()  # (captions,)

    def units(self) -> tuple[Tensor, Tensor]:
        """Weight (2 * captions, features) and bias (2 * captions,) of hidden units."""
        bias = STEEPNESS * (self.bias - THRESHOLD)
        return STEEPNESS * self.weight.repeat(2, 1), torch.cat((bias, bias - STEP))

    def heights(self, features: Tensor) -> Tensor:
        """How far each caption's units rise together, (windows, captions): from 0 to `STEP`."""
        rise, fall = functional.gelu(functional.linear(features, *self.units())).chunk(2, dim=-1)
        return rise - fall


def share_known(heights: Tensor) -> float:
    """The share of windows that some caption's units know."""
    return float((heights.amax(dim=1) > STEP / 2).float().mean())


class Prefixes(nn.Module):
    """What each caption's units add to the prefix."""

    def __init__(self, captions: int, size: int) -> None:
        super().__init__()
        self.scaled = nn.Parameter(torch.zeros(captions, size))

    @property
    def added(self) -> Tensor:
        """(captions, prefix_length * width), for units that have risen by 1."""
        return self.scaled * REACH

    def forward(self, prefix: Tensor, heights: Tensor) -> Tensor:
        """`prefix` (batch, length, width) and `heights` (batch, captions) -> (batch, length, width)."""
        return prefix + (heights @ self.added).view_as(prefix)


@torch.no_grad()
def grown(mapper: MlpMapper, detectors: Detectors, prefixes: Prefixes) -> MlpMapper:
    """`mapper` with the new units behind its own, which stay as they are."""
    weight, bias = detectors.units()
    hidden = mapper.linear1.out_features + len(bias)
    features, outputs = mapper.linear1.in_features, mapper.linear2.out_features
    made = MlpMapper(features, hidden, mapper.prefix_length, outputs // mapper.prefix_length)
    made.mean, made.deviation = mapper.mean, mapper.deviation
    made.linear1.weight.copy_(torch.cat((mapper.linear1.weight, weight)))
    made.linear1.bias.copy_(torch.cat((mapper.linear1.bias, bias)))
    made.linear2.weight.copy_(torch.cat((mapper.linear2.weight, prefixes.added.T, -prefixes.added.T), dim=1))
    made.linear2.bias.copy_(mapper.linear2.bias)
    return made

"""A mapper that knows a site's own sounds beside those of the mapper it was made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pengi_stream.models.pengi.audio.listener import SoundMapper
from pengi_stream.models.pengi.audio.mapper import MlpMapper

STEP = 2.0
"""How far a detector rises for its own sound"""


class SiteMapper(nn.Module):
    """Each caption of the site has a detector, which is 0 for other sounds, and a prefix that it adds."""

    def __init__(self, base: MlpMapper | SoundMapper, features: int, captions: int, shape: tuple[int, int]) -> None:
        """`shape` of the prefix: (prefix_length, width)."""
        super().__init__()
        self.base = base
        self.detectors = nn.Linear(features, captions)
        self.added = nn.Linear(captions, shape[0] * shape[1], bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """(batch, features) -> (batch, prefix_length, width)."""
        return self.mapped(self.embedding(features))

    def embedding(self, features: Tensor) -> Tensor:
        """What is mapped: features (batch, features), standardized over the base's training windows."""
        return self.base.embedding(features)

    def mapped(self, standardized: Tensor) -> Tensor:
        """As `forward`, of features that are standardized."""
        prefix = self.base.mapped(standardized)
        added: Tensor = self.added(self.heights(standardized).to(prefix.dtype))
        return prefix + added.view_as(prefix)

    def heights(self, standardized: Tensor) -> Tensor:
        """How far each detector rises, (batch, captions): from 0 to `STEP`."""
        level = self.detectors(standardized.to(self.detectors.weight.dtype))
        return functional.gelu(level) - functional.gelu(level - STEP)

    def without_audio(self) -> Tensor:
        """The prefix of no audio: (1, prefix_length, width)."""
        return self.base.without_audio()


def share_known(heights: Tensor) -> float:
    """The share of windows, (windows, captions), that some detector knows."""
    return float((heights.amax(dim=1) > STEP / 2).float().mean())


@torch.no_grad()
def widened(base: MlpMapper | SoundMapper, detectors: tuple[Tensor, Tensor], added: Tensor, length: int) -> SiteMapper:
    """`base` with `detectors`, their weight (captions, features) and bias (captions,), and what they add to a prefix of
    `length`, (captions, prefix_length * width)."""
    weight, bias = detectors
    mapper = SiteMapper(base, weight.shape[1], len(bias), (length, added.shape[1] // length))
    mapper.detectors.weight.copy_(weight)
    mapper.detectors.bias.copy_(bias)
    mapper.added.weight.copy_(added.T)
    return mapper

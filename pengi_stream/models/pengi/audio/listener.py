"""Features of YAMNet -> which sounds are heard, and how surely -> a prefix of the language model.

Sounds with recordings in training are told by what was learnt from them, as far as a window lies near such a recording.
All others are told by YAMNet's scores, each against how high it usually is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from pengi_stream.models.pengi.audio.mapper import FEATURES, MAX_LOGIT
from pengi_stream.models.pengi.audio.yamnet import CLASSES, EMBEDDING_SIZE

LEAST = 0.005  # less likely sounds are not listed
LEVELS = 10  # numbers that say how likely and how present a sound is
MEAN_EMBEDDING = slice(0, EMBEDDING_SIZE)
LARGEST_LOGIT = slice(FEATURES - CLASSES, FEATURES)


@dataclass(frozen=True, slots=True)
class Heard:
    """What is heard in each window."""

    likely: Tensor  # (batch, sounds): probabilities; their sum is 1
    present: Tensor  # (batch, sounds): 0 to 1, each by itself
    hidden: Tensor  # (batch, hidden): what tells the known sounds apart


class Listener(nn.Module):
    """Standardized features -> which sounds are heard."""

    prototypes: Tensor  # (prototypes, EMBEDDING_SIZE): directions in which training windows lie

    def __init__(self, sounds: int, hidden: int, prototypes: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(CLASSES))
        self.offset = nn.Parameter(torch.zeros(sounds))
        self.hidden = nn.Linear(FEATURES, hidden)
        self.known = nn.Linear(hidden, sounds)
        self.nearness = nn.Parameter(torch.tensor([30.0, 0.6, 0.0]))
        """How steeply, and from which cosine on, a window counts as near; how much sureness helps"""
        self.register_buffer("prototypes", torch.zeros(prototypes, EMBEDDING_SIZE))

    def forward(self, standardized: Tensor, logits: Tensor) -> Heard:
        """`standardized` (batch, FEATURES), `logits` (batch, CLASSES): the largest of each class."""
        hidden = functional.gelu(self.hidden(standardized))
        scores = self.scores(standardized)
        known = (scores + self.known(hidden).float()).softmax(dim=-1)
        near = self._near(standardized, known)
        present = functional.pad(logits.sigmoid(), (0, len(self.offset) - CLASSES))
        likely = near * known + (1 - near) * scores.softmax(dim=-1)
        return Heard(likely, torch.maximum(present, near * known), hidden)

    def scores(self, standardized: Tensor) -> Tensor:
        """Log-odds between sounds by YAMNet's scores alone: (batch, sounds)."""
        scores = functional.pad(standardized[:, LARGEST_LOGIT] * self.scale, (0, len(self.offset) - CLASSES))
        return (scores + self.offset).float()

    def _near(self, standardized: Tensor, known: Tensor) -> Tensor:
        """(batch, 1), 0 to 1."""
        cosine = functional.normalize(standardized[:, MEAN_EMBEDDING].float(), dim=-1) @ self.prototypes.float().T
        steepness, start, sureness = self.nearness.float()
        nearness: Tensor = steepness * (cosine.amax(dim=1) - start) + sureness * (known.amax(dim=1) - 0.5)
        return nearness.sigmoid()[:, None]


class SoundMapper(nn.Module):
    """Features -> a prefix with a place for each of the likeliest sounds, the likeliest first."""

    mean: Tensor  # (FEATURES,) over the training windows
    deviation: Tensor  # (FEATURES,)

    def __init__(self, sounds: int, known: int, prototypes: int, shape: tuple[int, int]) -> None:
        """`shape` of the prefix: (prefix_length, width); so many sounds are told."""
        super().__init__()
        length, width = shape
        self.listed = length
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("deviation", torch.ones(FEATURES))
        self.listener = Listener(sounds, known, prototypes)
        self.names = nn.Embedding(sounds, width)
        self.places = nn.Parameter(0.02 * torch.randn(length, width))
        self.linear1 = nn.Linear(width + LEVELS, 2 * width)
        self.linear2 = nn.Linear(2 * width, width)
        nn.init.normal_(self.names.weight, std=0.3)

    def forward(self, features: Tensor) -> Tensor:
        """(batch, FEATURES) -> (batch, prefix_length, width)."""
        return self.mapped(self.embedding(features))

    def embedding(self, features: Tensor) -> Tensor:
        """What is mapped: features (batch, FEATURES), standardized over the training windows."""
        return (features - self.mean) / self.deviation

    def heard(self, standardized: Tensor) -> Heard:
        """Of features that are standardized."""
        logits = standardized[:, LARGEST_LOGIT] * self.deviation[LARGEST_LOGIT] + self.mean[LARGEST_LOGIT]
        return self.listener(standardized, logits.clamp(-MAX_LOGIT, MAX_LOGIT))  # type: ignore[no-any-return]

    def mapped(self, standardized: Tensor) -> Tensor:
        """As `forward`, of features that are standardized; zeros stand for no audio at all."""
        listing = list_sounds(self.heard(standardized.to(self.listener.scale.dtype)), self.listed)
        return self.told(listing.silenced(standardized.any(dim=1, keepdim=True)))

    def told(self, listing: Listing) -> Tensor:
        """The prefix (batch, prefix_length, width) of what is listed."""
        dtype = self.places.dtype
        told = self.names(listing.sounds) * (listing.levels > 0)[:, :, None]
        steps = torch.linspace(0, 1, LEVELS - 1, device=told.device)
        height = (1 - (listing.levels[:, :, None] - steps).abs() * (LEVELS - 2)).clamp(min=0)
        places = torch.cat((told, height.to(dtype), listing.present[:, :, None].to(dtype)), dim=2)
        return told + self.places + self.linear2(functional.gelu(self.linear1(places)))  # type: ignore[no-any-return]

    def without_audio(self) -> Tensor:
        """The prefix of no audio, as seen in training: (1, prefix_length, width)."""
        return self.mapped(torch.zeros_like(self.mean)[None])


@dataclass(frozen=True, slots=True)
class Listing:
    """The likeliest sounds of each window, the likeliest first."""

    sounds: Tensor  # (batch, listed): indices
    levels: Tensor  # (batch, listed): how likely, 0 to 1 by the logarithm; 0 where nothing is listed
    present: Tensor  # (batch, listed): 0 to 1

    def silenced(self, told: Tensor) -> Listing:
        """Nothing listed where not `told` (batch, 1)."""
        return Listing(self.sounds, self.levels * told, self.present * told)


def level(likely: Tensor) -> Tensor:
    """0 at LEAST, 1 at 1, by the logarithm."""
    return (1 - likely.clamp(min=LEAST).log() / math.log(LEAST)).clamp(0, 1)


def list_sounds(heard: Heard, count: int) -> Listing:
    """The `count` likeliest sounds of each window."""
    likely, sounds = heard.likely.topk(count, dim=1)
    levels = level(likely)
    return Listing(sounds, levels, heard.present.gather(1, sounds) * (levels > 0))

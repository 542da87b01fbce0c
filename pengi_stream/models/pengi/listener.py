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

from pengi_stream.models.pengi.mapper import FEATURES, MAX_LOGIT
from pengi_stream.models.pengi.yamnet import CLASSES, EMBEDDING_SIZE

LEAST = 0.02  # less likely sounds are not listed
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
    """Features -> a prefix that says which sounds are heard."""

    mean: Tensor  # (FEATURES,) over the training windows
    deviation: Tensor  # (FEATURES,)

    def __init__(
        self, sounds: int, listed: int, hidden: int, known: int, prototypes: int, shape: tuple[int, int]
    ) -> None:
        """`listed` sounds at most are told; `shape` of the prefix: (prefix_length, width)."""
        super().__init__()
        self.shape = shape
        self.listed = listed
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("deviation", torch.ones(FEATURES))
        self.listener = Listener(sounds, known, prototypes)
        self.linear1 = nn.Linear(2 * sounds, hidden)
        self.adapter = nn.Linear(known, hidden, bias=False)
        """What fine-tuning uses to tell sounds that have no name in the list"""
        self.linear2 = nn.Linear(hidden, shape[0] * shape[1])
        nn.init.zeros_(self.adapter.weight)

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
        heard = self.heard(standardized.to(self.listener.scale.dtype))
        told = standardized.any(dim=1, keepdim=True)
        return self.told(list_sounds(heard, self.listed) * told, heard.hidden * told)

    def told(self, listing: Tensor, hidden: Tensor | None = None) -> Tensor:
        """The prefix (batch, prefix_length, width) of a `listing` (batch, 2 * sounds)."""
        inner = self.linear1(listing.to(self.linear2.weight.dtype))
        if hidden is not None:
            inner = inner + self.adapter(hidden.to(self.linear2.weight.dtype))
        return self.linear2(functional.gelu(inner)).unflatten(-1, self.shape)  # type: ignore[no-any-return]

    def without_audio(self) -> Tensor:
        """The prefix of no audio, as seen in training: (1, prefix_length, width)."""
        return self.mapped(torch.zeros_like(self.mean)[None])


def list_sounds(heard: Heard, count: int) -> Tensor:
    """How likely (0 to 1, by the logarithm) and how present the `count` likeliest sounds are: (batch, 2 * sounds)."""
    levels = (1 - heard.likely.clamp(min=LEAST).log() / math.log(LEAST)).clamp(0, 1)
    best = torch.zeros_like(levels).scatter(1, heard.likely.topk(count, dim=1).indices, 1.0) * (levels > 0)
    return torch.cat((levels * best, heard.present * best), dim=1)

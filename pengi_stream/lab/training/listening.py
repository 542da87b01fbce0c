"""The listener's training: what recordings teach, and what is usual."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from pengi_stream.lab.training.loop import Schedule, train
from pengi_stream.models.pengi.audio.listener import LARGEST_LOGIT, MEAN_EMBEDDING, Heard, Listener, SoundMapper
from pengi_stream.models.pengi.audio.yamnet import CLASSES

USUAL = 0.85
"""Share of a class's mean logit that says nothing"""
SHARPNESS = 0.6
"""Of YAMNet's logits, as log-odds between sounds"""
UNRECORDED = -4.0
"""Offset of sounds that are no classes of YAMNet"""
BATCH, DROPOUT = 128, 0.3
RESTRAINT = 0.1
"""How dear it is to leave YAMNet's scores"""
ROUNDS = 12  # of k-means
NEARNESS = (30.0, 0.70, 10.0)
"""Steepness, cosine from which on a window is near, and what sureness adds: found on held-out clips"""


def standardize(mapper: SoundMapper, features: Tensor) -> None:
    """Set the mapper's mean and deviation to those of the training windows' `features` (windows, FEATURES)."""
    mapper.mean.copy_(features.mean(dim=0))
    mapper.deviation.copy_(features.std(dim=0) + 0.1)


def set_usual(mapper: SoundMapper) -> None:
    """Score each class by how far its logit lies above its usual one."""
    mean, deviation = mapper.mean[LARGEST_LOGIT], mapper.deviation[LARGEST_LOGIT]
    with torch.no_grad():
        mapper.listener.scale.copy_(SHARPNESS * deviation)
        mapper.listener.offset.fill_(UNRECORDED)
        mapper.listener.offset[:CLASSES] = SHARPNESS * (1 - USUAL) * mean
        mapper.listener.nearness.copy_(torch.tensor(NEARNESS))


def set_prototypes(mapper: SoundMapper, standardized: Tensor, seed: int) -> None:
    """Set the prototypes to the centres of the training windows' directions, by spherical k-means."""
    directions = functional.normalize(standardized[:, MEAN_EMBEDDING], dim=1)
    generator = torch.Generator().manual_seed(seed)
    prototypes = mapper.listener.prototypes
    centres = directions[torch.randperm(len(directions), generator=generator)[: len(prototypes)]]
    for _ in range(ROUNDS):
        owner = (directions @ centres.T).argmax(dim=1)
        centres = functional.normalize(1e-6 * centres.index_add(0, owner, directions, alpha=1e6), dim=1)
    prototypes[: len(centres)] = centres


class _Known(nn.Module):
    """The part of the listener that is trained."""

    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self.hidden, self.known = listener.hidden, listener.known

    def forward(self, standardized: Tensor) -> Tensor:
        return self.known(functional.gelu(self.hidden(functional.dropout(standardized, DROPOUT))))  # type: ignore[no-any-return]


def train_listener(
    listener: Listener,
    standardized: Tensor,
    sounds: Sequence[Sequence[int]],
    schedule: Schedule,
    checkpoint: Path,
    seed: int,
) -> None:
    """Train the listener to tell the sounds of recordings: `standardized` (windows, FEATURES), `sounds` of each."""
    targets = torch.zeros(len(sounds), listener.known.out_features)
    for row, heard in zip(targets, sounds, strict=True):
        row[list(heard)] = 1 / len(heard)
    rarity = (targets / targets.sum(dim=0).clamp(min=1).sqrt()).amax(dim=1)
    nn.init.zeros_(listener.known.weight)
    nn.init.zeros_(listener.known.bias)
    model = _Known(listener)
    with torch.no_grad():
        scores = listener.scores(standardized)

    def loss_of(step: int) -> Tensor:
        rows = torch.multinomial(
            rarity, min(BATCH, len(rarity)), generator=torch.Generator().manual_seed(seed * 1_000_003 + step)
        )
        learnt: Tensor = model(standardized[rows])
        wrong = functional.cross_entropy(scores[rows] + learnt, targets[rows])
        return wrong + RESTRAINT * learnt.square().mean()

    train(model, loss_of, schedule, checkpoint)


def hear(mapper: SoundMapper, standardized: Tensor) -> tuple[Heard, Heard]:
    """What is heard in windows: by all that was learnt, and as if they were near to no recording."""
    alone = deepcopy(mapper)
    with torch.no_grad():
        alone.listener.nearness.copy_(torch.tensor([0.0, 0.0, -1000.0]))
        return mapper.heard(standardized), alone.heard(standardized)

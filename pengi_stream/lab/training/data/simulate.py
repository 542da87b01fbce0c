"""Embeddings and logits as YAMNet would give them for sounds of which there is no recording.

A softened background's embedding is moved along the weights of the wanted class, each unit by its variance in real
clips, through the ReLU that ends the network, as far as gives the class the wanted logit.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

BISECTIONS = 9
PATCHES = 5  # of a simulated window: enough for a mean and a maximum


@dataclass(frozen=True, slots=True)
class Classifier:
    """YAMNet's last layer."""

    weight: Tensor  # (classes, embedding)
    bias: Tensor  # (classes,)

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Logits, (..., embedding) -> (..., classes)."""
        return embeddings @ self.weight.T + self.bias


@dataclass(frozen=True, slots=True)
class Patches:
    """What the encoder says of windows, patch by patch."""

    embeddings: Tensor  # (windows, patches, embedding)
    logits: Tensor  # (windows, patches, classes)


class Simulator:
    """Simulates windows in which given classes are heard."""

    def __init__(self, classifier: Classifier, backgrounds: Tensor) -> None:
        """`backgrounds`: embeddings of real windows, (windows, patches, embedding)."""
        self._classifier = classifier
        self._backgrounds = backgrounds
        variance = backgrounds.flatten(0, 1)[:: max(backgrounds.shape[1] // 3, 1)].float().var(dim=0)
        self._directions = classifier.weight * variance  # (classes, embedding)
        self._related = _related(self._directions, classifier.weight)

    def __call__(self, classes: list[list[int]], generator: torch.Generator) -> Patches:
        """One window for each list of classes, the loudest class first."""
        count = len(classes)
        picked = torch.randint(len(self._backgrounds), (count,), generator=generator)
        patch = torch.randint(self._backgrounds.shape[1], (count, PATCHES), generator=generator)
        backgrounds = self._backgrounds[picked[:, None], patch].float()
        embeddings = backgrounds * (0.3 + 0.6 * torch.rand(count, 1, 1, generator=generator))
        for rank in range(max(len(c) for c in classes)):
            having = [row for row, c in enumerate(classes) if len(c) > rank]
            wanted = torch.tensor([classes[row][rank] for row in having])
            embeddings[having] = self._raise(embeddings[having], wanted, rank, generator)
        return Patches(embeddings, self._classifier(embeddings))

    def _raise(self, embeddings: Tensor, wanted: Tensor, rank: int, generator: torch.Generator) -> Tensor:
        """Moves some of the patches to a higher logit of the wanted class, and often of a class like it."""
        count, patches, _ = embeddings.shape
        level = torch.randn(count, 1, generator=generator) * 1.5 + (0.8 if rank == 0 else -0.3)
        targets = level + torch.randn(count, patches, generator=generator) * 0.7
        active = self._activity(count, patches, generator)
        raised = self._move(embeddings, wanted, targets, active)
        like = self._related[wanted, torch.randint(self._related.shape[1], (count,), generator=generator)]
        confused = active * (torch.rand(count, 1, generator=generator) < 0.4)
        return self._move(raised, like, targets - torch.rand(count, 1, generator=generator) * 2, confused)

    def _activity(self, count: int, patches: int, generator: torch.Generator) -> Tensor:
        """Where the sound is: everywhere, or in one stretch. (count, patches) of 0 and 1."""
        length = torch.randint(1, 2 * patches, (count, 1), generator=generator)
        first = (torch.rand(count, 1, generator=generator) * (patches - length + 1).clamp(min=1)).long()
        position = torch.arange(patches)
        return ((position >= first) & (position < first + length)).float()

    def _move(self, embeddings: Tensor, wanted: Tensor, targets: Tensor, active: Tensor) -> Tensor:
        """Embeddings whose logits of `wanted` are at least `targets` where `active`: found by bisection, since the
        logit rises with the step."""
        direction = self._directions[wanted][:, None]  # (count, 1, embedding)
        weight, bias = self._classifier.weight[wanted], self._classifier.bias[wanted][:, None]
        low = torch.zeros_like(targets)
        high = torch.full_like(targets, 2.0) / direction.abs().amax(dim=2).clamp(min=1e-6) * 10
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            moved = torch.relu(embeddings + middle[:, :, None] * direction)
            enough = torch.einsum("npe,ne->np", moved, weight) + bias >= targets
            low, high = torch.where(enough, low, middle), torch.where(enough, middle, high)
        return torch.relu(embeddings + (high * active)[:, :, None] * direction)


def _related(directions: Tensor, weight: Tensor, count: int = 6) -> Tensor:
    """The classes whose logits rise most with each class's. (classes, count)."""
    rise = directions @ weight.T
    scale = rise.diagonal().clamp(min=1e-6).sqrt()
    correlation = rise / (scale[:, None] * scale[None, :])
    correlation.fill_diagonal_(-1)
    return correlation.topk(count, dim=1).indices

"""Embeddings and scores as YAMNet would give them for sounds of which there is no recording.

A recorded background's embedding is moved, along the directions in which embeddings vary, to where the classifier
gives the wanted classes the wanted logits: the conditional mean of a Gaussian whose covariance is that of real clips.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SHRINKAGE = 0.1


@dataclass(frozen=True, slots=True)
class Classifier:
    """YAMNet's last layer."""

    weight: Tensor  # (classes, embedding)
    bias: Tensor  # (classes,)

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Probabilities, (..., embedding) -> (..., classes)."""
        return torch.sigmoid(embeddings @ self.weight.T + self.bias)


@dataclass(frozen=True, slots=True)
class Patches:
    """What the encoder says of windows, patch by patch."""

    embeddings: Tensor  # (windows, patches, embedding)
    scores: Tensor  # (windows, patches, classes)


class Simulator:
    """Simulates windows in which given classes are heard."""

    def __init__(self, classifier: Classifier, backgrounds: Tensor) -> None:
        """`backgrounds`: embeddings of real windows, (windows, patches, embedding)."""
        self._classifier = classifier
        self._backgrounds = backgrounds
        flat = backgrounds.flatten(0, 1)[:: max(backgrounds.shape[1] // 3, 1)].float()
        self._mean = flat.mean(dim=0)
        covariance = torch.cov(flat.T)
        ridge = SHRINKAGE * covariance.diagonal().mean() * torch.eye(len(covariance))
        self._covariance = (1 - SHRINKAGE) * covariance + ridge
        directions = classifier.weight @ self._covariance  # (classes, embedding)
        self._directions = directions / (directions * classifier.weight).sum(dim=1, keepdim=True)
        self._related = _related(directions, classifier.weight)

    def __call__(self, classes: list[list[int]], generator: torch.Generator) -> Patches:
        """One window for each list of classes, the loudest class first."""
        count = len(classes)
        picked = torch.randint(len(self._backgrounds), (count,), generator=generator)
        backgrounds = self._backgrounds[picked].float()
        keep = torch.rand(count, 1, 1, generator=generator) * 0.6
        embeddings = self._mean + keep * (backgrounds - self._mean)
        for rank in range(max(len(c) for c in classes)):
            having = [row for row, c in enumerate(classes) if len(c) > rank]
            wanted = torch.tensor([classes[row][rank] for row in having])
            embeddings[having] = self._raise(embeddings[having], wanted, rank, generator)
        embeddings = torch.relu(embeddings)
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
        weight, bias = self._classifier.weight[wanted], self._classifier.bias[wanted]
        logits = torch.einsum("npe,ne->np", embeddings, weight) + bias[:, None]
        steps = (targets - logits).clamp(min=0) * active
        return embeddings + steps[:, :, None] * self._directions[wanted][:, None]


def _related(directions: Tensor, weight: Tensor, count: int = 6) -> Tensor:
    """The classes whose logits rise most with each class's. (classes, count)."""
    rise = directions @ weight.T
    scale = rise.diagonal().clamp(min=1e-6).sqrt()
    correlation = rise / (scale[:, None] * scale[None, :])
    correlation.fill_diagonal_(-1)
    return correlation.topk(count, dim=1).indices

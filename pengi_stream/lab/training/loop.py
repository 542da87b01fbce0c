"""One training loop for every step of the recipe: warm-up and cosine, checkpoints, the same result after a restart."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
import torch
from torch import Tensor, nn

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast to train."""

    steps: int
    learning_rate: float
    warmup_steps: int = 50
    checkpoint_steps: int = 200
    weight_decay: float = 0.05

    def rate(self, step: int) -> float:
        """Learning rate of `step`: linear warm-up, then half a cosine down to a twentieth."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        progress = (step - self.warmup_steps) / max(self.steps - self.warmup_steps, 1)
        return self.learning_rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))))


def train(model: nn.Module, loss_of: Callable[[int], Tensor], schedule: Schedule, checkpoint: Path) -> None:
    """Train `model` on `loss_of(step)`, going on from `checkpoint` where it exists, and leave the result there.

    `loss_of` must depend on nothing but the step, the model and torch's generator, whose state is restored.
    """
    optimizer = _optimizer(model, schedule)
    first = _restore(model, optimizer, checkpoint)
    model.train()
    mean = 0.0
    for step in range(first, schedule.steps):
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(step)
        loss = loss_of(step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        mean += (float(loss.detach()) - mean) / (step - first + 1 if step - first < 50 else 50)
        if (step + 1) % 50 == 0:
            log.info("trained", step=step + 1, of=schedule.steps, loss=round(mean, 4))
        if (step + 1) % schedule.checkpoint_steps == 0 or step + 1 == schedule.steps:
            _save(model, optimizer, step + 1, checkpoint)
    model.eval()


def _optimizer(model: nn.Module, schedule: Schedule) -> torch.optim.AdamW:
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": schedule.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=schedule.learning_rate, betas=(0.9, 0.98))


def _restore(model: nn.Module, optimizer: torch.optim.Optimizer, checkpoint: Path) -> int:
    if not checkpoint.exists():
        return 0
    state = torch.load(checkpoint, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["random"])
    return int(state["step"])


def _save(model: nn.Module, optimizer: torch.optim.Optimizer, step: int, checkpoint: Path) -> None:
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
        "random": torch.get_rng_state(),
    }
    partial = checkpoint.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(checkpoint)

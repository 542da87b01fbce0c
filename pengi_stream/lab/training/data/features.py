"""The encoder's outputs for all planned windows, kept on disk: the encoder is frozen, so each window is heard once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import structlog
import torch
from torch import Tensor

from pengi_stream.errors import ConfigError
from pengi_stream.lab.training.data.simulate import Patches
from pengi_stream.lab.training.data.windows import WindowFacts, WindowMaker, WindowPlan

log = structlog.get_logger(__name__)

Encode = Callable[[Tensor], Patches]
"""(windows, samples) at 16 kHz -> embeddings and logits of their patches"""

BATCH = 16


@dataclass(frozen=True, slots=True)
class Features:
    """Encoded windows and what is true of each."""

    patches: Patches  # fp16
    facts: list[WindowFacts]

    def select(self, rows: Sequence[int]) -> Features:
        """Only these windows."""
        picked = Patches(self.patches.embeddings[rows], self.patches.logits[rows])
        return Features(picked, [self.facts[row] for row in rows])

    def split(self, name: str) -> Features:
        """The windows of one split."""
        return self.select([row for row, facts in enumerate(self.facts) if facts.split == name])


def cache_features(folder: Path, plans: Sequence[WindowPlan], maker: WindowMaker, encode: Encode) -> None:
    """Encode all windows into `folder`, in parts; parts that are there already are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    size = 50 * BATCH
    for first in range(0, len(plans), size):
        part = folder / f"{first:06d}.npz"
        if not part.exists():
            _encode_part(part, plans[first : first + size], first, maker, encode)
            log.info("encoded", windows=min(first + size, len(plans)), of=len(plans))


def load_features(folder: Path) -> Features:
    """What `cache_features` left in `folder`. Raises ConfigError where that was not run."""
    parts = sorted(folder.glob("*.npz"))
    if not parts:
        raise ConfigError(f"{folder} holds no features; run `pengi-stream train prepare` first")
    embeddings, logits, facts = [], [], []
    for part in parts:
        with np.load(part) as arrays:
            embeddings.append(torch.from_numpy(arrays["embeddings"]))
            logits.append(torch.from_numpy(arrays["logits"]))
            facts += [_facts(row) for row in json.loads(str(arrays["facts"]))]
    return Features(Patches(torch.cat(embeddings), torch.cat(logits)), facts)


def _encode_part(part: Path, plans: Sequence[WindowPlan], first: int, maker: WindowMaker, encode: Encode) -> None:
    encoded, facts = [], []
    for start in range(0, len(plans), BATCH):
        made = [maker.make(plan, first + start + i) for i, plan in enumerate(plans[start : start + BATCH])]
        encoded.append(encode(torch.from_numpy(np.stack([samples for samples, _ in made]))))
        facts += [truth for _, truth in made]
    partial = part.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(
            file,
            embeddings=torch.cat([e.embeddings for e in encoded]).half().numpy(),
            logits=torch.cat([e.logits for e in encoded]).half().numpy(),
            facts=np.array(json.dumps([asdict(f) for f in facts])),
        )
    partial.replace(part)


def _facts(row: dict[str, object]) -> WindowFacts:
    return WindowFacts(
        sounds=tuple(row["sounds"]),  # type: ignore[arg-type]
        scene=str(row["scene"]),
        labels=tuple(row["labels"]),  # type: ignore[arg-type]
        origin=str(row["origin"]),
        split="test" if row["split"] == "test" else "train",
    )

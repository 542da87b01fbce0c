"""What a new sound is told apart from: real recordings, in a few hundred kilobytes, and YAMNet's classes, simulated.

`rehearsal.safetensors` holds pooled features of windows that `mini` was trained on: their first principal components
in bytes, and how much each feature strays from these. No recording can be made of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from pengi_stream.lab.training.data.features import Features
from pengi_stream.lab.training.data.simulate import Classifier, Patches, Simulator
from pengi_stream.models.pengi.audio.mapper import pool
from pengi_stream.models.pengi.audio.yamnet import CLASSES, Yamnet
from pengi_stream.types import Samples

REHEARSAL_FILE = Path(__file__).parent / "rehearsal.safetensors"
WINDOWS, COMPONENTS = 1500, 64
BATCH = 16
SIMULATED = 4
"""Windows of each class, every other one with a second class behind it"""


@dataclass(frozen=True, slots=True)
class Bytes:
    """A matrix in bytes, with a scale for each column."""

    values: Tensor  # (rows, columns), int8
    scale: Tensor  # (columns,)

    @classmethod
    def of(cls, matrix: Tensor) -> Bytes:
        scale = matrix.abs().amax(dim=0).clamp(min=1e-9) / 127
        return cls((matrix / scale).round().to(torch.int8), scale)

    def matrix(self) -> Tensor:
        return self.values.float() * self.scale


def choose_windows(features: Features, seed: int, count: int = WINDOWS) -> Tensor:
    """Pooled features (count, FEATURES) of windows in which rare sounds are not lost among common ones."""
    often = Counter(facts.sounds for facts in features.facts)
    chances = np.array([often[facts.sounds] ** -0.5 for facts in features.facts])
    rows = np.random.default_rng(seed).choice(
        len(chances), min(count, len(chances)), replace=False, p=chances / chances.sum()
    )
    patches = features.select(rows.tolist()).patches
    return pool(patches.embeddings.float(), patches.logits.float())


def write_rehearsal(features: Tensor, path: Path = REHEARSAL_FILE) -> None:
    """Keep pooled features (windows, FEATURES) of real windows in `path`."""
    mean, deviation = features.mean(dim=0), features.std(dim=0) + 0.1
    standardized = (features - mean) / deviation
    _, _, components = torch.pca_lowrank(standardized, COMPONENTS, center=False, niter=4)
    codes, basis = Bytes.of(standardized @ components), Bytes.of(components)
    strays = (standardized - codes.matrix() @ basis.matrix().T).std(dim=0)
    state = {"mean": mean.half(), "deviation": deviation.half(), "strays": strays.half()}
    state |= {"codes": codes.values, "codes_scale": codes.scale, "basis": basis.values, "basis_scale": basis.scale}
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)


def read_rehearsal(generator: torch.Generator, path: Path = REHEARSAL_FILE) -> Tensor:
    """Pooled features (windows, FEATURES) much as those that were kept; what is not kept is drawn at random."""
    state = load_file(path)
    codes, basis = Bytes(state["codes"], state["codes_scale"]), Bytes(state["basis"], state["basis_scale"])
    noise = torch.randn(len(codes.values), len(basis.values), generator=generator)
    standardized = codes.matrix() @ basis.matrix().T + noise * state["strays"].float()
    return standardized * state["deviation"].float() + state["mean"].float()


def encode(encoder: Yamnet, windows: Sequence[Samples]) -> Patches:
    """What YAMNet says of windows at 16 kHz."""
    with torch.inference_mode():
        parts = [encoder(torch.from_numpy(np.stack(windows[i : i + BATCH]))) for i in range(0, len(windows), BATCH)]
    return Patches(torch.cat([e for e, _ in parts]).clone(), torch.cat([s for _, s in parts]).clone())


def other_sounds(encoder: Yamnet, backgrounds: Patches, generator: torch.Generator) -> Tensor:
    """Pooled features (windows, FEATURES) of what is not to be taken for a new sound; `backgrounds` lie behind the
    simulated ones."""
    classifier = Classifier(encoder.classifier.weight.detach(), encoder.classifier.bias.detach())
    simulator = Simulator(classifier, backgrounds.embeddings)
    features = [read_rehearsal(generator)]
    for copy in range(SIMULATED):
        others = torch.randperm(CLASSES, generator=generator).tolist()
        classes = [[index, others[index]] if copy % 2 else [index] for index in range(CLASSES)]
        simulated = simulator(classes, generator)
        features.append(pool(simulated.embeddings, simulated.logits))
    return torch.cat(features)

"""A model without weights: for trials of pipelines and for benchmarks of all that is not the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from pengi_stream.errors import ModelError
from pengi_stream.plugins import ModelConfig
from pengi_stream.protocols import AudioLanguageModel, Context
from pengi_stream.types import Batch, Generation, Request, Samples, WindowGrid

FLOOR = 1e-5  # -100 dBFS
TIE = 1e-3
"""Strengths that differ by less, as a part of the largest, are equal: a replay changes the last bits of samples"""


class FakeModelConfig(ModelConfig):
    """No weights: says how loud a window is and at which frequency."""

    type: Literal["fake"]
    sample_rate: int = Field(default=16_000, ge=8_000, le=192_000)
    window_s: float = Field(default=5.0, gt=0)

    def windows(self) -> WindowGrid:
        """One may begin anywhere."""
        return WindowGrid(self.sample_rate, round(self.window_s * self.sample_rate), FakeModel.hop_grid_samples)

    def build(self, context: Context) -> FakeModel:  # noqa: ARG002
        return FakeModel(self.sample_rate, round(self.window_s * self.sample_rate))


class FakeModel(AudioLanguageModel):
    """Texts are level and strongest frequency; labels are scored by both. Depends on nothing but the window."""

    hop_grid_samples = 1
    identity = "fake"

    def __init__(self, sample_rate: int, window_samples: int) -> None:
        self.sample_rate = sample_rate
        self.window_samples = window_samples

    def generate(self, batch: Batch) -> list[Generation]:
        return [self._answer(request) for request in batch.requests]

    def _answer(self, request: Request) -> Generation:
        samples = request.window.samples
        if samples.shape != (self.window_samples,):
            raise ModelError(f"found a window of the shape {samples.shape}, expected ({self.window_samples},)")
        level_dbfs, hertz = self._facts(samples)
        confidence = float(np.clip(1 + level_dbfs / 100, 0, 1))
        labels = request.prompt.labels
        if labels:
            scores = _scores(labels, level_dbfs, hertz)
            best = max(labels, key=scores.__getitem__)
            return Generation(request, best, scores[best], scores)
        return Generation(request, f"{request.prompt.text}: {hertz:.0f} Hz at {level_dbfs:.0f} dBFS", confidence)

    def _facts(self, samples: Samples) -> tuple[float, float]:
        level_dbfs = 20 * float(np.log10(max(FLOOR, float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))))))
        strengths = np.abs(np.fft.rfft(samples))
        strongest = int(np.argmax(strengths >= (1 - TIE) * strengths.max()))
        return level_dbfs, strongest * self.sample_rate / len(samples)


def _scores(labels: Sequence[str], level_dbfs: float, hertz: float) -> dict[str, float]:
    logits = np.array([np.sin(len(label) * (1 + hertz / 1000) + level_dbfs / 10) for label in labels])
    weights = np.exp(logits - logits.max())
    return {label: float(weight) for label, weight in zip(labels, weights / weights.sum(), strict=True)}

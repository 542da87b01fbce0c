"""Which windows are loud enough to be worth the model's time."""

from __future__ import annotations

import numpy as np

from pengi_stream.types import Samples, Window

BLOCK_S = 0.1


def level_dbfs(samples: Samples, sample_rate: int) -> float:
    """The loudest 100 ms of `samples` (time,), in dBFS: RMS, where a full-scale square wave has 0 dB.

    Blocks overlap by half, so that a short sound is in one of them whole or nearly. Silence is -inf.
    """
    half = max(1, round(BLOCK_S * sample_rate / 2))
    power = np.square(samples, dtype=np.float64)
    sums = np.add.reduceat(power, np.arange(0, len(power), half)) if len(power) else np.zeros(1)
    blocks = sums if len(sums) == 1 else sums[:-1] + sums[1:]
    loudest = float(blocks.max()) / min(2 * half, max(1, len(power)))
    return 10 * np.log10(loudest).item() if loudest > 0 else float("-inf")


class Gate:
    """Passes windows whose loudest 100 ms reach `min_dbfs`; None passes all."""

    def __init__(self, min_dbfs: float | None) -> None:
        self._min_dbfs = min_dbfs

    def passes(self, window: Window) -> bool:
        if self._min_dbfs is None:
            return True
        return level_dbfs(window.samples[: window.valid_samples], window.sample_rate) >= self._min_dbfs

"""Samples repeated, measured and mixed."""

from __future__ import annotations

import numpy as np

from pengi_stream.types import Samples

SAMPLE_RATE = 16_000
"""Hertz, of all sound that models are trained on"""


def tile(samples: Samples, count: int) -> Samples:
    """The first `count` samples of `samples` repeated without end, as inference does with a tail."""
    return np.resize(samples, count)


def level(samples: Samples) -> float:
    """Root mean square of the loudest 0.1 s, so that pauses don't count."""
    step = SAMPLE_RATE // 10
    blocks = samples[: len(samples) // step * step].reshape(-1, step)
    return float(np.sqrt((blocks**2).mean(axis=1).max(initial=1e-14)))


def mix(first: Samples, second: Samples, ratio_db: float) -> Samples:
    """Both sounds, `first` louder than `second` by `ratio_db`."""
    gain = level(first) / max(level(second), 1e-7) * 10 ** (-ratio_db / 20)
    return np.asarray(first + np.float32(gain) * second, dtype=np.float32)

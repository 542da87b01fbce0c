"""What benchmarks listen to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pengi_stream.audio.decode import load_audio
from pengi_stream.protocols import AudioLanguageModel
from pengi_stream.sounds.demo import or_demo
from pengi_stream.types import NS_PER_S, Samples, Stream, Window

NOISE_S = 60
NOISE_RMS = 0.1
SOFTEST = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """A recording that goes on for ever, by beginning anew."""

    samples: Samples  # (time,)
    sample_rate: int
    """Hertz"""

    def piece(self, first: int, count: int, gain: float = 1.0) -> Samples:
        """`count` samples from `first` on."""
        start = first % len(self.samples)
        if start + count <= len(self.samples):
            return self.samples[start : start + count] * np.float32(gain)
        return np.take(self.samples, range(start, start + count), mode="wrap") * np.float32(gain)


def load_sound(path: Path | None, sample_rate: int) -> Sound:
    """The recording at `path` (or `demo`), resampled once, or noise. Raises AudioError."""
    if path is not None:
        return Sound(load_audio(Path(or_demo(str(path))), sample_rate), sample_rate)
    noise = NOISE_RMS * np.random.default_rng(0).standard_normal(NOISE_S * sample_rate)
    return Sound(noise.astype(np.float32), sample_rate)


def fresh_windows(model: AudioLanguageModel, sound: Sound, count: int, seed: Sequence[int]) -> list[Window]:
    """`count` windows of streams of their own, each at a place and level that `seed` chooses, so that no model has
    heard them or a part of them before."""
    random, size, rate = np.random.default_rng(seed), model.window_samples, model.sample_rate
    windows = []
    for number in range(count):
        samples = sound.piece(int(random.integers(len(sound.samples))), size, random.uniform(SOFTEST, 1))
        stream = Stream(f"bench-{'-'.join(map(str, seed))}-{number}")
        windows.append(Window(stream, 0, 0, samples, size, rate, 0, size * NS_PER_S // rate, 0.0))
    return windows

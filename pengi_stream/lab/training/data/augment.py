"""Windows as a service meets them: cut anywhere, louder or softer, through telephones and rooms, over other sounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import soxr

from pengi_stream.lab.mixing import SAMPLE_RATE, mix, tile
from pengi_stream.lab.training.data.tones import coloured_noise
from pengi_stream.types import Samples


def load_audio(path: Path) -> Samples:
    """The mean of a file's channels at 16 kHz."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)
    resampled = mono if rate == SAMPLE_RATE else soxr.resample(mono, rate, SAMPLE_RATE)
    return np.asarray(resampled, dtype=np.float32)


def cut(samples: Samples, count: int, rng: np.random.Generator) -> Samples:
    """`count` samples from anywhere in a recording; short ones are repeated, or stand alone in near silence."""
    if len(samples) > count:
        first = int(rng.integers(len(samples) - count + 1))
        return samples[first : first + count]
    way = rng.random()
    if way < 0.55:
        return tile(samples, count)
    if way < 0.7:
        return tile(np.roll(samples, int(rng.integers(len(samples)))), count)
    window = np.zeros(count, dtype=np.float32)
    kept = samples if way < 0.9 else samples[: max(len(samples) * 2 // 3, 1)]
    first = int(rng.integers(count - len(kept) + 1))
    window[first : first + len(kept)] = kept
    return window


def band_limit(samples: Samples, low_hz: float, high_hz: float) -> Samples:
    """Only what lies between two frequencies."""
    spectrum = np.fft.rfft(samples)
    frequencies = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    spectrum[(frequencies < low_hz) | (frequencies > high_hz)] = 0
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)


def reverberate(samples: Samples, rng: np.random.Generator) -> Samples:
    """In a room that a decaying noise stands for."""
    length = int(rng.uniform(0.15, 0.9) * SAMPLE_RATE)
    response = rng.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
    response *= rng.uniform(0.1, 0.5) / np.sqrt((response**2).sum())
    response[0] += 1.0
    size = len(samples) + length
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)
    return wet[: len(samples)].astype(np.float32)


def disturb(window: Samples, rng: np.random.Generator) -> Samples:
    """What happens to sound on its way: rooms, telephones, noise, distance."""
    if rng.random() < 0.15:
        window = reverberate(window, rng)
    if rng.random() < 0.25:
        noise = coloured_noise(rng, len(window), rng.uniform(0, 2)).astype(np.float32)
        window = mix(window, noise, rng.uniform(6, 35))
    if rng.random() < 0.2:
        telephone = rng.random() < 0.4
        window = band_limit(window, 300.0 if telephone else 0.0, 3400.0 if telephone else rng.uniform(3000, 7000))
    peak = max(float(np.abs(window).max()), 1e-7)
    return np.asarray(window / peak * 10 ** (rng.uniform(-26, 0) / 20), dtype=np.float32)

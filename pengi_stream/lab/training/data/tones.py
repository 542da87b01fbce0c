"""Sounds whose truth is known because they are computed: silence, noises, tones, beeps, sirens."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pengi_stream.types import Samples

SAMPLE_RATE = 16_000
Wave = NDArray[np.float64]
Maker = Callable[[np.random.Generator, Wave], Wave]

DTMF_ROWS = (697, 770, 852, 941)
DTMF_COLUMNS = (1209, 1336, 1477)


def coloured_noise(rng: np.random.Generator, count: int, slope: float) -> Wave:
    """Noise of unit peak whose power falls with frequency ** -slope: 0 white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    frequencies = np.maximum(np.fft.rfftfreq(count, 1 / SAMPLE_RATE), 20.0)
    noise = np.fft.irfft(spectrum * frequencies ** (-slope / 2), count)
    return np.asarray(noise / np.abs(noise).max(), dtype=np.float64)


def _noise(slope: float) -> Maker:
    return lambda rng, time: coloured_noise(rng, len(time), slope + rng.uniform(-0.2, 0.2))


def _silence(rng: np.random.Generator, time: Wave) -> Wave:
    level = 0.0 if rng.random() < 0.3 else 10 ** (rng.uniform(-95, -70) / 20)
    return level * coloured_noise(rng, len(time), rng.uniform(0, 2))


def _tone(rng: np.random.Generator, time: Wave) -> Wave:
    return np.asarray(np.sin(2 * np.pi * rng.uniform(120, 4000) * time))


def _beeps(rng: np.random.Generator, time: Wave) -> Wave:
    period_s, length_s = rng.uniform(0.15, 1.6), rng.uniform(0.04, 0.5)
    on = (time + rng.uniform(0, period_s)) % period_s < min(length_s, 0.7 * period_s)
    frequency = rng.uniform(500, 4000)
    wave = np.sin(2 * np.pi * frequency * time)
    return np.asarray((np.sign(wave) * 0.5 if rng.random() < 0.3 else wave) * on)


def _alarm(rng: np.random.Generator, time: Wave) -> Wave:
    low, high = rng.uniform(600, 1200), rng.uniform(1500, 3400)
    alternate = (time * rng.uniform(1.5, 8)) % 1 < 0.5
    return np.asarray(np.where(alternate, np.sin(2 * np.pi * low * time), np.sin(2 * np.pi * high * time)))


def _siren(rng: np.random.Generator, time: Wave) -> Wave:
    centre, depth, rate = rng.uniform(600, 1100), rng.uniform(200, 400), rng.uniform(0.1, 3.5)
    phase = 2 * np.pi * np.cumsum(centre + depth * np.sin(2 * np.pi * rate * time)) / SAMPLE_RATE
    return np.asarray(sum(np.sin(k * phase) / k for k in (1, 2, 3)) / 1.8)


def _sweep(rng: np.random.Generator, time: Wave) -> Wave:
    start, end = rng.uniform(100, 800), rng.uniform(1500, 6000)
    position = (time / rng.uniform(0.3, 5)) % 1
    return np.asarray(np.sin(2 * np.pi * np.cumsum(start + (end - start) * position) / SAMPLE_RATE))


def _dialing(rng: np.random.Generator, time: Wave) -> Wave:
    digits = (time / rng.uniform(0.15, 0.4)).astype(int)
    rows = rng.choice(DTMF_ROWS, digits.max() + 1)[digits]
    columns = rng.choice(DTMF_COLUMNS, digits.max() + 1)[digits]
    on = (time / 0.1) % 2 < rng.uniform(1.0, 1.8)
    return np.asarray(0.5 * on * (np.sin(2 * np.pi * rows * time) + np.sin(2 * np.pi * columns * time)))


def _dial_tone(rng: np.random.Generator, time: Wave) -> Wave:
    low, high = ((350, 440), (425, 425), (400, 450))[int(rng.integers(3))]
    return np.asarray(0.5 * (np.sin(2 * np.pi * low * time) + np.sin(2 * np.pi * high * time)))


def _hum(rng: np.random.Generator, time: Wave) -> Wave:
    base = float(rng.choice([50, 60])) * 2
    wave = np.asarray(sum(rng.uniform(0.1, 1) / k * np.sin(2 * np.pi * k * base * time) for k in range(1, 9)))
    return np.asarray(wave / np.abs(wave).max())


MAKERS: dict[str, Maker] = {
    "silence": _silence,
    "white noise": _noise(0.0),
    "pink noise": _noise(1.0),
    "brown noise": _noise(2.0),
    "tone": _tone,
    "beep": _beeps,
    "alarm": _alarm,
    "siren": _siren,
    "sweep": _sweep,
    "telephone dialing": _dialing,
    "dial tone": _dial_tone,
    "hum": _hum,
}
"""By label of `clip_labels.csv`."""


def synthesise(label: str, count: int, rng: np.random.Generator) -> Samples:
    """`count` samples at 16 kHz of the sound `label`, one of `MAKERS`."""
    time = np.arange(count) / SAMPLE_RATE
    return np.asarray(MAKERS[label](rng, time), dtype=np.float32)

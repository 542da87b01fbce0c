"""Sounds that are computed: for trials and benchmarks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count
from typing import Literal

import numpy as np
from pydantic import Field

from pengi_stream.audio.pcm import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE
from pengi_stream.clock import Clock
from pengi_stream.plugins import SourceConfig
from pengi_stream.protocols import AudioSource, Context
from pengi_stream.sources.pace import Pace
from pengi_stream.types import Frame, Samples, SourceItem, Stream, StreamEnd, TimeMap

FRAMES_PER_S = 10


class SyntheticSourceConfig(SourceConfig):
    """Computed sounds: silence, sine, noise, chirp (two octaves up each second), beeps (half of each second)."""

    type: Literal["synthetic"]
    sound: Literal["silence", "sine", "noise", "chirp", "beeps"] = "sine"
    frequency_hz: float = Field(default=440, gt=0)
    level_dbfs: float = Field(default=-20, le=0)
    """RMS of the sound while it sounds"""
    duration_s: float | None = Field(default=None, gt=0)
    """Null: for ever"""
    sample_rate: int = Field(default=16_000, ge=MIN_SAMPLE_RATE, le=MAX_SAMPLE_RATE)
    streams: int = Field(default=1, ge=1)
    realtime: bool = False
    seed: int = 0

    def build(self, context: Context) -> SyntheticSource:
        return SyntheticSource(self, context.clock)


class SyntheticSource(AudioSource):
    """The same samples at every run; streams are named synthetic-0, synthetic-1, and so on."""

    def __init__(self, config: SyntheticSourceConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._closed = threading.Event()

    def frames(self) -> Iterator[SourceItem]:
        config = self._config
        streams = [Stream(f"synthetic-{number}", live=config.live) for number in range(config.streams)]
        generators = [np.random.default_rng((config.seed, number)) for number in range(config.streams)]
        time = TimeMap(0, 0, config.sample_rate)
        pace = Pace(self._clock, self._closed) if config.realtime else None
        for first_sample, size in self._blocks():
            if pace is not None:
                pace.wait_until((first_sample + size) / config.sample_rate)
            for stream, generator in zip(streams, generators, strict=True):
                if self._closed.is_set():
                    return
                yield Frame(
                    stream, first_sample, self._samples(first_sample, size, generator), config.sample_rate, time
                )
        for stream in streams:
            yield StreamEnd(stream)

    def close(self) -> None:
        self._closed.set()

    def _blocks(self) -> Iterator[tuple[int, int]]:
        size = self._config.sample_rate // FRAMES_PER_S
        if self._config.duration_s is None:
            yield from ((first_sample, size) for first_sample in count(0, size))
            return
        total = round(self._config.duration_s * self._config.sample_rate)
        for first_sample in range(0, total, size):
            yield first_sample, min(size, total - first_sample)

    def _samples(self, first_sample: int, size: int, generator: np.random.Generator) -> Samples:
        config = self._config
        rms = 10 ** (config.level_dbfs / 20)
        seconds = np.arange(first_sample, first_sample + size) / config.sample_rate
        sine = rms * np.sqrt(2) * np.sin(2 * np.pi * config.frequency_hz * seconds)
        match config.sound:
            case "silence":
                mono = np.zeros(size)
            case "sine":
                mono = sine
            case "noise":
                mono = rms * generator.standard_normal(size)
            case "chirp":
                cycles = config.frequency_hz * (4 ** (seconds % 1) - 1) / np.log(4)
                mono = rms * np.sqrt(2) * np.sin(2 * np.pi * cycles)
            case "beeps":
                mono = np.where(seconds % 1 < 0.5, sine, 0)
        return np.clip(mono, -1, 1).astype(np.float32)[:, None]

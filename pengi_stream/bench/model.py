"""How fast a model answers, by batch size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from pengi_stream.clock import SystemClock
from pengi_stream.options import DecodingOptions, Prompt
from pengi_stream.protocols import AudioLanguageModel
from pengi_stream.types import NS_PER_S, Batch, Request, Stream, Window


@dataclass(frozen=True, slots=True)
class BatchFigures:
    """One batch size, repeated."""

    batch: int
    """Windows, of one prompt each"""
    latency_s: float
    """Median time of a whole batch"""
    fastest_s: float
    slowest_s: float
    windows_a_second: float
    tokens_a_second: float
    """Tokens of the texts; those of beams that lost are not counted"""
    real_time_factor: float
    """Seconds of sound that are answered in a second, of windows that do not overlap"""


def measure(
    model: AudioLanguageModel, batches: Sequence[int], options: DecodingOptions, repeats: int
) -> list[BatchFigures]:
    """Ask about noise; blocks. Raises ModelError."""
    model.warmup()
    return [_measure(model, size, options, repeats) for size in batches]


def _measure(model: AudioLanguageModel, size: int, options: DecodingOptions, repeats: int) -> BatchFigures:
    prompt = Prompt("caption", "generate audio caption", options)
    batch = Batch(tuple(Request(_noise(model, number), prompt) for number in range(size)))
    tokens = sum(each.tokens for each in model.generate(batch))
    clock, took_s = SystemClock(), []
    for _ in range(repeats):
        began_s = clock.monotonic_s()
        model.generate(batch)
        took_s.append(clock.monotonic_s() - began_s)
    middle_s = median(took_s)
    window_s = model.window_samples / model.sample_rate
    return BatchFigures(
        size, middle_s, min(took_s), max(took_s), size / middle_s, tokens / middle_s, size * window_s / middle_s
    )


def _noise(model: AudioLanguageModel, number: int) -> Window:
    count, rate = model.window_samples, model.sample_rate
    samples = (0.1 * np.random.default_rng(number).standard_normal(count)).astype(np.float32)
    end_ns = count * NS_PER_S // rate
    return Window(Stream(f"noise-{number}"), 0, 0, samples, count, rate, 0, end_ns, 0.0)

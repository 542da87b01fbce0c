"""Short sounds pass, hiss and silence don't."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pengi_stream.engine.gate import Gate, level_dbfs
from pengi_stream.types import Samples, Stream, Window

RATE = 16_000


def window(samples: Samples, valid_samples: int | None = None) -> Window:
    return Window(Stream("a"), 0, 0, samples, valid_samples or len(samples), RATE, 0, 0, 0.0)


def noise(dbfs: float, n: int = 5 * RATE) -> Samples:
    return np.random.default_rng(0).normal(0, 10 ** (dbfs / 20), n).astype(np.float32)


@given(start=st.integers(0, 5 * RATE - RATE // 20))
def test_an_event_of_50_ms_at_minus_40_dbfs_passes_wherever_it_is(start: int) -> None:
    samples = np.zeros(5 * RATE, np.float32)
    samples[start : start + RATE // 20] = noise(-40, RATE // 20)
    assert Gate(-60).passes(window(samples))


def test_noise_at_minus_70_dbfs_and_digital_silence_do_not_pass() -> None:
    assert not Gate(-60).passes(window(noise(-70)))
    assert not Gate(-60).passes(window(np.zeros(5 * RATE, np.float32)))


def test_padding_does_not_count() -> None:
    samples = np.concatenate([np.zeros(RATE, np.float32), noise(-10, RATE)])
    assert not Gate(-60).passes(window(samples, valid_samples=RATE))


def test_without_a_level_everything_passes() -> None:
    assert Gate(None).passes(window(np.zeros(RATE, np.float32)))


@given(dbfs=st.floats(-80, 0), n=st.integers(200, 40_000))
def test_the_level_of_a_square_wave_is_its_amplitude(dbfs: float, n: int) -> None:
    amplitude = np.float32(10 ** (dbfs / 20))
    samples = np.where(np.arange(n) % 20 < 10, amplitude, -amplitude).astype(np.float32)
    assert level_dbfs(samples, RATE) == pytest.approx(dbfs, abs=0.5 if n >= RATE // 5 else 4)


def test_nothing_is_silent() -> None:
    assert level_dbfs(np.zeros(0, np.float32), RATE) == float("-inf")

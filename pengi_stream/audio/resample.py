"""Resampling of a stream, so that windows do not depend on the pieces in which audio arrives."""

from __future__ import annotations

import numpy as np
import soxr

from pengi_stream.types import Samples

FILTER_S = 0.015
"""Seconds of input around a sample that its value depends on, at most; measured with impulses from 8 to 192 kHz"""


class Resampler:
    """One segment of mono audio at another rate (soxr, HQ).

    Output sample k lies at input time k / out_rate, and n input samples give round(n * out_rate / in_rate) output
    samples. The output is the same bit for bit, whatever the size of the pieces. A replay that begins later in the
    segment gives the same but for float32's rounding (3e-7 at the most, measured), since soxr computes by blocks.
    """

    def __init__(self, in_rate: int, out_rate: int) -> None:
        self._stream = soxr.ResampleStream(in_rate, out_rate, 1, dtype="float32") if in_rate != out_rate else None
        self.filter_samples = 0 if self._stream is None else round(FILTER_S * in_rate)
        """Input samples that a replay must begin earlier"""

    def push(self, mono: Samples) -> Samples:
        """(time,) -> (time,), later by the filter's delay."""
        return mono if self._stream is None else self._stream.resample_chunk(mono)

    def flush(self) -> Samples:
        """What the filter still holds; nothing may be pushed afterwards."""
        rest = np.zeros(0, np.float32)
        return rest if self._stream is None else self._stream.resample_chunk(rest, last=True)


def resample(mono: Samples, in_rate: int, out_rate: int) -> Samples:
    """A whole clip (time,) at another rate, equal to a stream's output."""
    resampler = Resampler(in_rate, out_rate)
    return np.concatenate([resampler.push(mono), resampler.flush()])

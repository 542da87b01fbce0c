"""One segment of one stream: samples in, windows at k * hop out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import gcd
from typing import Literal

import numpy as np

from pengi_stream.audio.pcm import to_mono
from pengi_stream.audio.resample import Resampler
from pengi_stream.outcomes import Span, Unheard
from pengi_stream.positions import ReadPosition
from pengi_stream.types import Frame, Samples, Window

Tail = Literal["pad", "repeat", "drop"]
TAIL_DROPPED = "the tail of a segment is dropped"
BETWEEN = "between two windows: the hop is longer than they are"


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """How segments are cut."""

    sample_rate: int
    """Hertz, the model's"""
    window_samples: int
    hop_samples: int
    tail: Tail
    """What becomes of samples at the end that no whole window covers"""


class Segment:
    """Cuts the frames of one segment into windows, whatever the size of the frames. No clock, no I/O.

    Holds about one window of samples. A replay may begin in the middle: from `replay_from` on, the windows are those
    that the whole segment gives, once the resampler has what it needs.
    """

    def __init__(self, spec: WindowSpec, first: Frame) -> None:
        self._spec = spec
        self._stream = first.stream
        self._rate = first.sample_rate
        self._source_origin = first.first_sample if first.segment_sample is None else first.segment_sample
        self._origin = round(Fraction(self._source_origin * spec.sample_rate, self._rate))
        self._time = first.time
        self._resampler = Resampler(self._rate, spec.sample_rate)
        self._step = self._rate // gcd(self._rate, spec.sample_rate)  # source samples between whole output samples
        self._chunks: deque[Samples] = deque()
        missed = first.first_sample - self._source_origin
        begin = -(-missed // self._step) * self._step
        self._skip = begin - missed  # samples at the source's rate
        self._start = begin * spec.sample_rate // self._rate  # of the first chunk, in samples of the segment
        self._end = self._start
        self._next = self._first_window(begin)  # start of the next window
        self._positions: deque[tuple[int, ReadPosition]] = deque()
        self.expected_sample = first.first_sample
        """The source's index of the sample that comes next"""

    @property
    def replay_from(self) -> ReadPosition | None:
        """Of the frame in which a replay must begin to make the next window again."""
        return self._positions[0][1] if self._positions else None

    @property
    def sample_rate(self) -> int:
        """Hertz, the source's"""
        return self._rate

    def push(self, frame: Frame, now_s: float) -> Iterator[Window]:
        """The windows that `frame` completes; it must follow on the last one."""
        self._time = frame.time
        if frame.position is not None:
            self._positions.append((frame.first_sample, frame.position))
        self.expected_sample = frame.end_sample
        mono = to_mono(frame.samples)[self._skip :]
        self._skip -= len(frame.samples) - len(mono)
        self._append(self._resampler.push(mono))
        yield from self._whole_windows(now_s)

    def finish(self, now_s: float) -> Iterator[Window | Unheard]:
        """The windows that the end of the segment completes, and what becomes of its tail."""
        self._append(self._resampler.flush())
        yield from self._whole_windows(now_s)
        covered = self._next - self._spec.hop_samples + self._spec.window_samples if self._next else 0
        if self._end > max(covered, self._next) and self._spec.tail != "drop":
            rest = self._cut(self._end - self._next)
            yield self._window(self._fill(rest), len(rest), now_s)
        elif self._end > covered:
            reason = TAIL_DROPPED if self._end > self._next else BETWEEN
            yield Unheard(self._span(covered, self._end, now_s), reason)
        self._positions.clear()

    def _span(self, first: int, end: int, now_s: float) -> Span:
        return Span(
            self._stream,
            self._origin,
            self._origin + first,
            self._origin + end,
            self._spec.sample_rate,
            self._utc_ns(first),
            self._utc_ns(end),
            self.replay_from,
            now_s,
        )

    def _first_window(self, begin: int) -> int:
        """Start of the first window that a replay from `begin` on, in the source's samples, makes exactly."""
        if begin == 0:
            return 0
        hop = self._spec.hop_samples
        exact = -(-(begin + self._resampler.filter_samples) * self._spec.sample_rate // self._rate)
        return -(-exact // hop) * hop

    def _append(self, samples: Samples) -> None:
        if len(samples):
            self._chunks.append(samples)
            self._end += len(samples)

    def _whole_windows(self, now_s: float) -> Iterator[Window]:
        while self._end - self._next >= self._spec.window_samples:
            yield self._window(self._cut(self._spec.window_samples), self._spec.window_samples, now_s)
            self._next += self._spec.hop_samples
            self._forget()
        self._forget()

    def _cut(self, length: int) -> Samples:
        """`length` samples from the next window's start on."""
        samples = np.concatenate(self._chunks)[self._next - self._start :]
        self._chunks = deque([samples])
        self._start = self._next
        return samples[:length]

    def _fill(self, rest: Samples) -> Samples:
        size = self._spec.window_samples
        if self._spec.tail == "repeat":
            return np.resize(rest, size)
        return np.pad(rest, (0, size - len(rest)))

    def _window(self, samples: Samples, valid_samples: int, now_s: float) -> Window:
        first = self._origin + self._next
        return Window(
            stream=self._stream,
            segment_sample=self._origin,
            first_sample=first,
            samples=samples,
            valid_samples=valid_samples,
            sample_rate=self._spec.sample_rate,
            start_ns=self._utc_ns(self._next),
            end_ns=self._utc_ns(self._next + valid_samples),
            ready_s=now_s,
            position=self.replay_from,
        )

    def _utc_ns(self, sample: int) -> int:
        return self._time.at(self._source_origin + Fraction(sample * self._rate, self._spec.sample_rate))

    def _forget(self) -> None:
        """Let go of samples and positions that no later window needs."""
        while self._chunks and self._start + len(self._chunks[0]) <= self._next:
            self._start += len(self._chunks.popleft())
        begin = self._source_origin + self._next * self._rate // self._spec.sample_rate
        needed = begin - self._resampler.filter_samples - (self._step - 1)
        while len(self._positions) > 1 and self._positions[1][0] <= needed:
            self._positions.popleft()

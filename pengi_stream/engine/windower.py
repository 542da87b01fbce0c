"""Frames of many streams -> windows and gaps. No thread, no clock, no I/O."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pengi_stream.audio.pcm import LOUDEST
from pengi_stream.engine.done import Done, Key, stream_key
from pengi_stream.engine.segment import Segment, WindowSpec
from pengi_stream.outcomes import Unheard, WindowItem
from pengi_stream.positions import ReadPosition
from pengi_stream.types import (
    BadRecord,
    Frame,
    Gap,
    Resumed,
    Revoked,
    SourceItem,
    StreamEnd,
    Window,
)


class Windower:
    """Cuts every stream of one source into windows.

    A hole ends the segment: its tail is applied, a gap says what is missing, and the grid of windows begins anew
    behind it. No window is glued across a hole.
    """

    def __init__(self, spec: WindowSpec) -> None:
        self._spec = spec
        self._segments: dict[Key, Segment] = {}
        self._done = Done()
        self.late_frames = 0
        """Frames of which everything had arrived before"""

    def push(self, item: SourceItem, now_s: float) -> Iterator[WindowItem]:
        """What `item` completes, in order, without what was done before a restart. Exhaust it before the next push."""
        match item:
            case Resumed():
                self._done.resumed(item)
            case Revoked():
                self._done.revoked(item)
                self._segments.pop(stream_key(item), None)
            case _:
                for out in self._cut(item, now_s):
                    if not self._done.has(out):
                        yield out
        if isinstance(item, StreamEnd):
            self._done.ended(item)

    def replay_from(self, item: SourceItem) -> ReadPosition | None:
        """Where a replay must begin to make the next window of the stream of `item` again; None: nothing is held."""
        segment = self._segments.get(stream_key(item))
        return segment.replay_from if segment else None

    def _cut(self, item: Frame | Gap | StreamEnd | BadRecord, now_s: float) -> Iterator[WindowItem]:
        match item:
            case Frame():
                yield from self._frame(item, now_s)
            case Gap() | StreamEnd():
                yield from self._finish(item, now_s)
                yield item
            case BadRecord():
                yield item

    def _frame(self, frame: Frame, now_s: float) -> Iterator[WindowItem]:
        segment = self._segments.get(stream_key(frame))
        if segment is not None:
            if frame.first_sample < segment.expected_sample and frame.sample_rate == segment.sample_rate:
                known = min(segment.expected_sample - frame.first_sample, len(frame.samples))
                frame = _without_first(frame, known)
            elif frame.first_sample > segment.expected_sample or frame.sample_rate != segment.sample_rate:
                yield from self._finish(frame, now_s)
                if frame.sample_rate == segment.sample_rate:
                    yield _hole(frame, segment.expected_sample)
        if len(frame.samples) == 0:
            self.late_frames += 1
            return
        if not _loudest(frame) <= LOUDEST:  # NaN is not
            yield from self._finish(frame, now_s)
            yield from _unusable(frame)
            return
        if stream_key(frame) not in self._segments:
            self._segments[stream_key(frame)] = Segment(self._spec, frame)
        yield from self._segments[stream_key(frame)].push(frame, now_s)

    def _finish(self, item: SourceItem, now_s: float) -> Iterator[Window | Unheard]:
        segment = self._segments.pop(stream_key(item), None)
        if segment is not None:
            yield from segment.finish(now_s)


def _without_first(frame: Frame, n: int) -> Frame:
    return Frame(frame.stream, frame.first_sample + n, frame.samples[n:], frame.sample_rate, frame.time, frame.position)


def _hole(frame: Frame, expected_sample: int) -> Gap:
    return Gap(
        frame.stream,
        expected_sample,
        frame.first_sample - expected_sample,
        frame.sample_rate,
        frame.time,
        "overflow" if frame.stream.live else "missing",
        frame.position,
    )


def _loudest(frame: Frame) -> float:
    return float(max(frame.samples.max(), -frame.samples.min()))


def _unusable(frame: Frame) -> Iterator[BadRecord | Gap]:
    bad = int(np.count_nonzero(~np.isfinite(frame.samples)))
    where = f"in the {len(frame.samples)} samples from sample {frame.first_sample} on"
    reason = (
        f"{bad} NaN or infinite value(s) {where}; expected finite audio"
        if bad
        else f"values up to {_loudest(frame):g} {where}; expected floats from -1 to 1: divide integers by 32768"
    )
    yield BadRecord(
        frame.stream,
        f"{frame.stream.id}: {reason}",
        time_ns=frame.time.at(frame.first_sample),
        position=frame.position,
    )
    yield Gap(
        frame.stream,
        frame.first_sample,
        len(frame.samples),
        frame.sample_rate,
        frame.time,
        "invalid samples",
        frame.position,
    )

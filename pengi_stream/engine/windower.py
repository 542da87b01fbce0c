"""Frames of many streams -> windows and gaps. No thread, no clock, no I/O."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pengi_stream.engine.segment import Segment, WindowSpec
from pengi_stream.types import BadRecord, Frame, Gap, Position, SourceItem, Stream, StreamEnd, Window, WindowItem


class Windower:
    """Cuts every stream of one source into windows.

    A hole ends the segment: its tail is applied, a gap says what is missing, and the grid of windows begins anew
    behind it. No window is glued across a hole.
    """

    def __init__(self, spec: WindowSpec) -> None:
        self._spec = spec
        self._segments: dict[str, Segment] = {}
        self.late_frames = 0
        """Frames of which everything had arrived before"""

    def push(self, item: SourceItem, now_s: float) -> Iterator[WindowItem]:
        """What `item` completes, in order. Exhaust it before the next push."""
        match item:
            case Frame():
                yield from self._frame(item, now_s)
            case Gap() | StreamEnd():
                yield from self._finish(item.stream, now_s)
                yield item
            case BadRecord():
                yield item

    def hold(self, stream: Stream) -> Position | None:
        """Where a replay must begin to make the next window of `stream` again; None: nothing is held."""
        segment = self._segments.get(stream.id)
        return segment.hold if segment else None

    def _frame(self, frame: Frame, now_s: float) -> Iterator[Window | Gap | BadRecord]:
        segment = self._segments.get(frame.stream.id)
        if segment is not None:
            if frame.first_sample < segment.expected_sample and frame.sample_rate == segment.sample_rate:
                known = min(segment.expected_sample - frame.first_sample, len(frame.samples))
                frame = _without_first(frame, known)
                self.late_frames += len(frame.samples) == 0
            elif frame.first_sample > segment.expected_sample or frame.sample_rate != segment.sample_rate:
                yield from self._finish(frame.stream, now_s)
                if frame.sample_rate == segment.sample_rate:
                    yield _hole(frame, segment.expected_sample)
        if len(frame.samples) == 0:
            return
        if not np.isfinite(frame.samples).all():
            yield from self._finish(frame.stream, now_s)
            yield from _unusable(frame)
            return
        if frame.stream.id not in self._segments:
            self._segments[frame.stream.id] = Segment(self._spec, frame)
        yield from self._segments[frame.stream.id].push(frame, now_s)

    def _finish(self, stream: Stream, now_s: float) -> Iterator[Window]:
        segment = self._segments.pop(stream.id, None)
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


def _unusable(frame: Frame) -> Iterator[BadRecord | Gap]:
    bad = int(np.count_nonzero(~np.isfinite(frame.samples)))
    reason = f"{bad} NaN or infinite value(s) in the {len(frame.samples)} samples from sample {frame.first_sample} on"
    yield BadRecord(
        frame.stream,
        f"{frame.stream.id}: {reason}; expected finite audio",
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

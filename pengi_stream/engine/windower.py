"""Frames of many streams -> windows and gaps. No thread, no clock, no I/O."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pengi_stream.engine.segment import Segment, WindowSpec
from pengi_stream.outcomes import OrderedItem, Unheard, WindowItem
from pengi_stream.positions import ReadPosition
from pengi_stream.types import (
    BadRecord,
    Frame,
    Gap,
    Resumed,
    Revoked,
    SourceItem,
    StreamEnd,
    StreamState,
    Window,
)

Key = tuple[str, str]
"""Of a stream: its id and its lane, since Kafka may have the same key in two of them"""


class Windower:
    """Cuts every stream of one source into windows.

    A hole ends the segment: its tail is applied, a gap says what is missing, and the grid of windows begins anew
    behind it. No window is glued across a hole.
    """

    def __init__(self, spec: WindowSpec) -> None:
        self._spec = spec
        self._segments: dict[Key, Segment] = {}
        self._done: dict[Key, list[StreamState]] = {}  # a key may end and begin again behind the place of a restart
        self.late_frames = 0
        """Frames of which everything had arrived before"""

    def push(self, item: SourceItem, now_s: float) -> Iterator[WindowItem]:
        """What `item` completes, in order, without what was done before a restart. Exhaust it before the next push."""
        match item:
            case Resumed():
                self._done.setdefault(stream_key(item), []).append(item.state)
            case Revoked():
                self._done.pop(stream_key(item), None)
                self._segments.pop(stream_key(item), None)
            case _:
                for out in self._cut(item, now_s):
                    if not self._is_done(out):
                        yield out
        if isinstance(item, StreamEnd) and stream_key(item) in self._done:
            self._done[stream_key(item)] = [
                state for state in self._done[stream_key(item)] if not _is_over(item, state)
            ]

    def hold(self, item: SourceItem) -> ReadPosition | None:
        """Where a replay must begin to make the next window of the stream of `item` again; None: nothing is held."""
        segment = self._segments.get(stream_key(item))
        return segment.hold if segment else None

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
        if not np.isfinite(frame.samples).all():
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

    def _is_done(self, out: WindowItem) -> bool:
        """Whether `out` was durable before a restart."""
        states = self._done.get(stream_key(out), ())
        return any(state.stream == out.stream and _is_done(out, state) for state in states)


def stream_key(item: SourceItem | WindowItem | OrderedItem) -> Key:
    """Tells the stream of `item` from all others of its source."""
    return item.stream.id, item.position.lane if item.position else ""


def _is_over(end: StreamEnd, state: StreamState) -> bool:
    return state.stream == end.stream and not _is_done(end, state)


def _is_done(out: WindowItem, state: StreamState) -> bool:
    if isinstance(out, Window | Unheard):
        return out.first_sample < state.next_sample
    return out.position is not None and out.position.offset < state.next_offset


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

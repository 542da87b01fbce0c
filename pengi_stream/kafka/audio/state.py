"""What is kept of a partition's streams with its offset: how they were counted, and how far they are done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pengi_stream.kafka.audio.count import NO_DOUBT, Count
from pengi_stream.kafka.audio.partition import Counts, RecordClock
from pengi_stream.kafka.reading.kept import Kept, StateError, pack, unpack
from pengi_stream.kafka.reading.stream_states import done_fields, done_of, session_ns, stream_key, stream_of
from pengi_stream.types import Stream, StreamState, TimeMap

NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class PartitionState:
    """With it and the records from its offset on, a worker goes on as if it had never stopped."""

    counts: Counts
    done: tuple[StreamState, ...] = ()


class StateWriter:
    """Writes states again and again: a stream that did not change costs next to nothing."""

    def __init__(self) -> None:
        self._written: dict[Stream, _Written] = {}

    def kept(self, state: PartitionState, offset: int) -> Kept:
        """What to keep with `offset`; a stream that did not change is kept in the same bytes."""
        done = {found.stream: found for found in state.done}
        counts = {count.stream: count for count in state.counts.streams}
        written: dict[Stream, _Written] = {}
        for stream in dict.fromkeys([*counts, *done]):
            before = self._written.get(stream)
            now = counts.get(stream), done_fields(done.get(stream), offset)
            if now == (None, ()):
                continue
            written[stream] = before if before is not None and before.of == now else _write(stream, *now)
        self._written = written
        clock = state.counts.clock
        head = pack([clock.time_ms, clock.newest_ms])
        return Kept(head, {each.key: each.content for each in written.values()})


def read_state(kept: Kept) -> PartitionState:
    """What `StateWriter` was given. Raises StateError."""
    if not kept.head:
        return PartitionState(Counts())
    counts, done = [], []
    try:
        clock = RecordClock(*unpack(kept.head))
        for key, content in kept.streams.items():
            stream = stream_of(key)
            counted, fields = unpack(content)
            if counted:
                counts.append(_count(stream, counted))
            if (found := done_of(stream, fields)) is not None:
                done.append(found)
    except (TypeError, ValueError) as error:
        raise StateError(f"damaged state: {error}") from error
    counts.sort(key=lambda count: count.heard_ms)
    return PartitionState(Counts(clock, tuple(counts)), tuple(done))


@dataclass(frozen=True, slots=True)
class _Written:
    of: tuple[Count | None, tuple[Any, ...]]
    key: bytes
    content: bytes


def _write(stream: Stream, count: Count | None, done: tuple[Any, ...]) -> _Written:
    return _Written((count, done), stream_key(stream), pack([_fields(count) if count else (), done]))


def _fields(count: Count) -> tuple[Any, ...]:
    """Small numbers where that is usual; what is rare comes last, and is left out where it is not so."""
    began_ns = session_ns(count.stream) or 0
    fields = (
        count.sample,
        count.sample - count.segment_sample,
        count.sample_rate,
        count.sample - count.time.anchor_sample,
        count.time.anchor_ns - began_ns,
        count.heard_ms - began_ns // NS_PER_MS,
        count.stamp_ms - count.heard_ms,
    )
    rare = (count.skew_ms, count.doubt, count.lost)
    return (*fields, *rare) if rare != (0, NO_DOUBT, False) else fields


def _count(stream: Stream, fields: tuple[Any, ...]) -> Count:
    sample, segment, rate, anchor, anchor_ns, heard_ms, ahead_ms, *rare = fields
    skew_ms, doubt, lost = rare or (0, NO_DOUBT, False)
    began_ns = session_ns(stream) or 0
    time = TimeMap(sample - anchor, anchor_ns + began_ns, rate)
    heard_ms += began_ns // NS_PER_MS
    return Count(stream, sample, sample - segment, rate, time, heard_ms, heard_ms + ahead_ms, doubt, lost, skew_ms)

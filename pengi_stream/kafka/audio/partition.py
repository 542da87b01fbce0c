"""The records of one partition -> frames, gaps, ends and bad records of its streams. No client, no thread, no clock."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pengi_stream.audio.pcm import AudioFormat
from pengi_stream.errors import AudioError
from pengi_stream.kafka.audio.count import NS_PER_MS, Count, Placed, begin, place
from pengi_stream.kafka.audio.record import END_NS, RecordAudio, read_audio
from pengi_stream.kafka.lane import Lane, RecordPosition
from pengi_stream.kafka.reading.inbox import RawRecord
from pengi_stream.types import NS_PER_S, BadRecord, Frame, Gap, SourceItem, Stream, StreamEnd

MISSING = "missing"


@dataclass(frozen=True, slots=True)
class StreamRules:
    """How the records of a partition become streams."""

    audio: AudioFormat | None
    """Raw PCM without a content type; None: there is none"""
    gap_tolerance_s: float = 2.0
    """A record whose time stamp is later than expected by more tells of a gap."""
    idle_s: float = 60.0
    """A stream ends when its partition's record time goes on for so long without a record of it, by two records."""
    max_streams: int = 1000
    """Of a partition, at once"""
    max_record_s: float = 120.0
    """Seconds of audio in a record"""


@dataclass(frozen=True, slots=True)
class RecordClock:
    """A partition's time, by its records: by the clock of the producer that came first, and by what the stamps of each
    stream go on. One record alone, whose stamp may lie, does not set it forward."""

    time_ms: int = 0
    """The latest time stamp but one"""
    newest_ms: int = 0
    """The latest time stamp"""

    def after(self, stamp_ms: int) -> RecordClock:
        """With one more record."""
        if self.newest_ms == 0:
            return RecordClock(stamp_ms, stamp_ms)
        if stamp_ms > self.newest_ms:
            return RecordClock(self.newest_ms, stamp_ms)
        return RecordClock(max(self.time_ms, stamp_ms), self.newest_ms)


NEVER = RecordClock()


@dataclass(frozen=True, slots=True)
class Counts:
    """What a partition's streams had counted before some offset: from there on, a replay gives the same."""

    clock: RecordClock = NEVER
    streams: tuple[Count, ...] = ()
    """In the order in which they were heard last"""


@dataclass(frozen=True, slots=True)
class _Change:
    """What a record changed: how it was before."""

    offset: int
    clock: RecordClock
    stream_id: str
    before: Count | None


class PartitionStreams:
    """Counts the samples of each stream of a partition, and remembers the counts back to what was committed last."""

    def __init__(self, lane: Lane, rules: StreamRules, counts: Counts) -> None:
        self._lane = lane
        self._rules = rules
        self._clock = counts.clock
        self._counts = OrderedDict((count.stream.id, count) for count in counts.streams)
        self._changes: deque[_Change] = deque()
        self._lost = ""

    @property
    def streams(self) -> Sequence[Stream]:
        """Those that go on."""
        return [count.stream for count in self._counts.values()]

    def count_of(self, record: RawRecord) -> Count | None:
        """How far the stream of `record` was heard; None: it begins with it."""
        return self._counts.get(self._stream_id(record))

    def take(self, record: RawRecord) -> Iterator[SourceItem]:
        """What `record` gives, in order; at least one item. Exhaust it before the next."""
        stream_id = self._stream_id(record)
        stamp_ms = self._in_partition_time(record, self._counts.get(stream_id))
        clock_before, self._clock = self._clock, self._clock.after(stamp_ms)
        yield from self._end_idle(record, clock_before, stream_id)
        before = self._counts.get(stream_id)
        self._changes.append(_Change(record.offset, clock_before, stream_id, before))
        if record.value is None:
            self._counts.pop(stream_id, None)
            yield StreamEnd(before.stream if before else Stream(stream_id), self._position(record))
            return
        try:
            yield from self._audio(stream_id, before, record, record.value)
        except AudioError as error:
            if before is None and self._clock == clock_before:
                self._changes.pop()  # or a flood of them would be remembered until the next commit
            stream = before.stream if before else Stream(stream_id)
            yield self._bad(stream, record, f"{stream_id}: {error}", type(error).__name__)

    def lose(self, reason: str) -> None:
        """Records were lost: whether a stream missed any, its next record tells."""
        self._lost = reason
        self._changes.clear()  # nobody can replay what is gone
        for stream_id, count in self._counts.items():
            self._counts[stream_id] = replace(count, lost=True)

    def counts_before(self, offset: int) -> Counts:
        """As they were before the record at `offset`; forgets how they were earlier."""
        while self._changes and self._changes[0].offset < offset:
            self._changes.popleft()
        counts: OrderedDict[str, Count | None] = OrderedDict(self._counts)
        for change in reversed(self._changes):
            counts[change.stream_id] = change.before
            counts.move_to_end(change.stream_id, last=False)
        clock = self._changes[0].clock if self._changes else self._clock
        streams = [count for count in counts.values() if count is not None]
        return Counts(clock, tuple(sorted(streams, key=lambda count: count.heard_ms)))

    def _audio(self, stream_id: str, before: Count | None, record: RawRecord, value: bytes) -> Iterator[SourceItem]:
        if before is None and len(self._counts) >= self._rules.max_streams:
            raise AudioError(f"more than {self._rules.max_streams} streams in a partition; raise max_streams")
        audio = read_audio(value, record.headers, self._rules.audio, self._rules.max_record_s)
        placed = self._place(stream_id, before, audio, record.timestamp_ms)
        _check_time(placed.count)
        self._counts[stream_id] = placed.count
        self._counts.move_to_end(stream_id)
        if before is not None and placed.lie:
            yield self._bad(before.stream, record, f"{stream_id}: {placed.lie}; the next record may confirm it", "")
            return
        if before is not None and placed.anew:
            yield StreamEnd(before.stream, self._position(record, more=True))
        count, first = placed.count, placed.first_sample
        if before is not None and placed.missing_samples:
            yield self._gap(before, placed, record)
        samples = audio.samples[placed.known_samples :]
        yield Frame(
            count.stream,
            first,
            samples,
            count.sample_rate,
            count.time,
            self._position(record),
            count.segment_sample,
        )

    def _gap(self, before: Count, placed: Placed, record: RawRecord) -> Gap:
        count = placed.count
        return Gap(
            count.stream,
            placed.first_sample - placed.missing_samples,
            placed.missing_samples,
            count.sample_rate,
            before.time if before.sample_rate == count.sample_rate else count.time,
            self._lost if before.lost else MISSING,
            self._position(record, more=True),
        )

    def _place(self, stream_id: str, before: Count | None, audio: RecordAudio, stamp_ms: int) -> Placed:
        if before is None:
            time_ns = stamp_ms * NS_PER_MS if audio.captured_ns is None else audio.captured_ns
            skew_ms = stamp_ms - self._clock.time_ms
            return begin(stream_id, audio, time_ns, stamp_ms, self._clock.time_ms, skew_ms)
        return place(
            before, audio, stamp_ms * NS_PER_MS, round(self._rules.gap_tolerance_s * NS_PER_S), self._clock.time_ms
        )

    def _in_partition_time(self, record: RawRecord, count: Count | None) -> int:
        """The time stamp in the partition's time. That goes on by what each stream's own stamps go on: a producer whose
        clock is ahead ends no streams of others, and a stream's first record does not set it forward."""
        if count is not None:
            return record.timestamp_ms - count.skew_ms
        return self._clock.time_ms or record.timestamp_ms

    def _stream_id(self, record: RawRecord) -> str:
        return self._lane.name if record.key is None else record.key.decode("utf-8", "backslashreplace")

    def _end_idle(self, record: RawRecord, clock_before: RecordClock, stream_id: str) -> Iterator[StreamEnd]:
        """End the streams that were not heard for too long, also the one that is heard again now."""
        idle_ms = self._rules.idle_s * 1000
        again = self._counts.get(stream_id)
        if again is not None and record.timestamp_ms - again.stamp_ms > idle_ms:
            yield self._end(again, record, clock_before)
        idle = []
        for count in self._counts.values():
            if count.stream.id == stream_id:
                continue
            if self._clock.time_ms - count.heard_ms <= idle_ms:
                break
            idle.append(count)
        for count in idle:
            yield self._end(count, record, clock_before)

    def _end(self, count: Count, record: RawRecord, clock_before: RecordClock) -> StreamEnd:
        del self._counts[count.stream.id]
        self._changes.append(_Change(record.offset, clock_before, count.stream.id, count))
        return StreamEnd(count.stream, self._position(record, more=True))

    def _bad(self, stream: Stream, record: RawRecord, reason: str, exception: str) -> BadRecord:
        return BadRecord(
            stream,
            reason,
            exception,
            value=record.value,
            key=record.key,
            headers=record.headers,
            time_ns=record.timestamp_ms * NS_PER_MS,
            position=self._position(record),
        )

    def _position(self, record: RawRecord, *, more: bool = False) -> RecordPosition:
        return self._lane.position(record.offset, more=more)


def _check_time(count: Count) -> None:
    """Raises AudioError where a time stamp or `first-sample` would put what was heard centuries ahead."""
    end_ns = count.time.at(count.sample)
    if end_ns >= END_NS:
        raise AudioError(f"its audio would end {end_ns // NS_PER_S} s after 1970, expected before the year 2200")

"""A record whose time stamp does not fit what was heard before waits for the stream's next one, which tells who is
right: samples are missing, or the stamp lies. No client, no thread, no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from pengi_stream.audio.pcm import AudioFormat
from pengi_stream.errors import AudioError
from pengi_stream.kafka.audio.count import CAPTURE_TOLERANCE_NS, NS_PER_MS, Count
from pengi_stream.kafka.audio.partition import PartitionStreams, StreamRules
from pengi_stream.kafka.audio.record import read_audio, read_times
from pengi_stream.kafka.lane import Lane
from pengi_stream.kafka.reading.inbox import RawRecord
from pengi_stream.types import NS_PER_S, BadRecord, SourceItem

MOST_RECORDS = 4096
MOST_BYTES = 16 << 20  # of records that wait with the one that is doubted
CAPTURED_AT = "captured-at"


@dataclass(frozen=True, slots=True)
class _Doubt:
    """Two times for one record."""

    told_ns: int
    """By its stamp"""
    counted_ns: int
    """By the samples before it"""
    length_ns: int
    """Of its audio"""
    captured: bool
    """The stamp is a `captured-at`"""


class Doubter:
    """The records of one partition, in order, to its streams."""

    def __init__(self, lane: Lane, rules: StreamRules, streams: PartitionStreams) -> None:
        self._lane = lane
        self._rules = rules
        self._streams = streams
        self._waiting: deque[RawRecord] = deque()
        self._bytes = 0
        self._doubt: _Doubt | None = None
        """About the first that waits"""

    @property
    def doubted(self) -> RawRecord | None:
        """What is held back, and all behind it"""
        return self._waiting[0] if self._waiting else None

    def take(self, record: RawRecord) -> Iterator[SourceItem]:
        """What can be told by now of `record`, and of those before it."""
        self._waiting.append(record)
        self._bytes += record.size
        if self._doubt is not None:
            if self._is_next(record):
                yield from self._settle(record)
            elif len(self._waiting) < MOST_RECORDS and self._bytes < MOST_BYTES:
                return
            else:
                yield from self._settle(None)
        yield from self._go_on()

    def believe(self) -> Iterator[SourceItem]:
        """What is doubted has waited long enough: what its stamp tells is true."""
        if self._waiting:
            yield from self._settle(None)
            yield from self._go_on()

    def _go_on(self) -> Iterator[SourceItem]:
        """All that there is no doubt about, or about which the next record of the stream waits as well."""
        while self._waiting:
            self._doubt = self._doubt_about(self._waiting[0])
            if self._doubt is not None:
                later = next((record for record in list(self._waiting)[1:] if self._is_next(record)), None)
                if later is None:
                    return
                yield from self._settle(later)
            else:
                yield from self._streams.take(self._pop())

    def _settle(self, later: RawRecord | None) -> Iterator[SourceItem]:
        """Give the first that waits to its stream, as the next one of it bears out."""
        record, doubt = self._pop(), self._doubt
        self._doubt = None
        if doubt is None or later is None or not self._lies(doubt, later):
            yield from self._streams.take(record)
            return
        if (count := self._streams.count_of(record)) is not None:
            yield self._told(record, count, doubt)
        yield from self._streams.take(_without_lie(record, doubt))

    def _told(self, record: RawRecord, count: Count, doubt: _Doubt) -> BadRecord:
        """No dead letter, since it is heard."""
        off_s = (doubt.told_ns - doubt.counted_ns) / NS_PER_S
        where = f"{abs(off_s):.1f} s {'ahead of' if off_s > 0 else 'behind'}"
        return BadRecord(
            count.stream,
            f"{count.stream.id}: its time stamp lies {where} the records around it; it is heard where it belongs",
            time_ns=doubt.counted_ns,
            position=self._lane.position(record.offset, more=True),
            kept=True,
        )

    def _lies(self, doubt: _Doubt, later: RawRecord) -> bool:
        """Whether the next record follows better on the counted time than on the told one."""
        captured_ns = _captured(later) if doubt.captured else None
        next_ns = later.timestamp_ms * NS_PER_MS if captured_ns is None else captured_ns
        by_count = abs(next_ns - doubt.counted_ns - doubt.length_ns)
        by_stamp = abs(next_ns - doubt.told_ns - doubt.length_ns)
        return by_count < by_stamp

    def _doubt_about(self, record: RawRecord) -> _Doubt | None:
        count = self._streams.count_of(record)
        if count is None or count.lost or record.value is None:
            return None
        stamp_ns = record.timestamp_ms * NS_PER_MS
        try:
            first, captured_ns = read_times(record.headers)
        except AudioError:
            return None
        told_ns = stamp_ns if captured_ns is None else captured_ns
        counted_ns = count.time.at(count.sample if first is None else first)
        idle_ns = round(self._rules.idle_s * NS_PER_S)
        if first is None and self._moves(told_ns - counted_ns, captured=captured_ns is not None):
            return self._measured(record, count, told_ns, counted_ns, captured=captured_ns is not None)
        if stamp_ns - count.stamp_ms * NS_PER_MS > idle_ns:  # it would end the stream
            return self._measured(record, count, stamp_ns, count.stamp_ms * NS_PER_MS, captured=False)
        return None

    def _moves(self, off_ns: int, *, captured: bool) -> bool:
        """Whether a time that is so far off tells of a gap, or of what was heard before."""
        tolerance_ns = round(self._rules.gap_tolerance_s * NS_PER_S)
        if captured:
            return abs(off_ns) > min(tolerance_ns, CAPTURE_TOLERANCE_NS)
        return off_ns > tolerance_ns

    def _measured(
        self, record: RawRecord, count: Count, told_ns: int, counted_ns: int, *, captured: bool
    ) -> _Doubt | None:
        default: AudioFormat | None = self._rules.audio
        try:
            audio = read_audio(record.value or b"", record.headers, default, self._rules.max_record_s)
        except AudioError:
            return None
        if audio.sample_rate != count.sample_rate:
            return None
        return _Doubt(told_ns, counted_ns, len(audio.samples) * NS_PER_S // audio.sample_rate, captured)

    def _is_next(self, record: RawRecord) -> bool:
        return record is not self._waiting[0] and record.key == self._waiting[0].key

    def _pop(self) -> RawRecord:
        record = self._waiting.popleft()
        self._bytes -= record.size
        return record


def _without_lie(record: RawRecord, doubt: _Doubt) -> RawRecord:
    kept = tuple(header for header in record.headers if header[0].lower() != CAPTURED_AT)
    headers = kept if doubt.captured else record.headers
    return replace(record, timestamp_ms=doubt.counted_ns // NS_PER_MS, headers=headers)


def _captured(record: RawRecord) -> int | None:
    try:
        return read_times(record.headers)[1]
    except AudioError:
        return None

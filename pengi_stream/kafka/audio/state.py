"""What a commit keeps of a partition's streams, as few bytes: they must fit into an offset's metadata."""

from __future__ import annotations

import base64
import binascii
import zlib
from dataclasses import dataclass

from pengi_stream.clock import parse_rfc3339, rfc3339
from pengi_stream.kafka.audio.count import NO_DOUBT, Count
from pengi_stream.kafka.audio.partition import Counts, RecordClock
from pengi_stream.types import Stream, StreamState, TimeMap

VERSION = 1
PREFIX = f"pengi-stream/{VERSION}:"
COUNTED, PROGRESSED, LOST, DOUBTED, SESSION = 1, 2, 4, 8, 16


class StateError(Exception):
    """Metadata that was not written by us."""


@dataclass(frozen=True, slots=True)
class PartitionState:
    """With it and the records from its offset on, a worker goes on as if it had never stopped."""

    counts: Counts
    done: tuple[StreamState, ...] = ()


def encode_state(state: PartitionState, offset: int) -> str:
    """Printable text, some 60 characters a stream."""
    out = _Writer()
    time_ms = state.counts.clock.time_ms
    out.signed(time_ms)
    out.signed(state.counts.clock.newest_ms - time_ms)
    counts = {count.stream: count for count in state.counts.streams}
    done = {found.stream: found for found in state.done if found.next_sample or found.next_offset > offset}
    for stream in [*counts, *(stream for stream in done if stream not in counts)]:
        _write_stream(out, stream, counts.get(stream), done.get(stream), time_ms, offset)
    return PREFIX + base64.b85encode(zlib.compress(bytes(out.data), 9)).decode()


def decode_state(text: str, offset: int) -> PartitionState:
    """What `encode_state` was given. Raises StateError."""
    if not text.startswith(PREFIX):
        raise StateError(f"found {text[:40]!r}, expected {PREFIX}...")
    try:
        reader = _Reader(zlib.decompress(base64.b85decode(text.removeprefix(PREFIX))))
        time_ms = reader.signed()
        clock = RecordClock(time_ms, time_ms + reader.signed())
        found = []
        while not reader.at_end:
            found.append(_read_stream(reader, time_ms, offset))
    except (ValueError, IndexError, OverflowError, zlib.error, binascii.Error) as error:
        raise StateError(f"damaged state {text[:40]!r}") from error
    counts = tuple(count for count, _ in found if count is not None)
    return PartitionState(Counts(clock, counts), tuple(done for _, done in found if done is not None))


def _write_stream(
    out: _Writer, stream: Stream, count: Count | None, done: StreamState | None, time_ms: int, offset: int
) -> None:
    flags = (COUNTED if count else 0) | (PROGRESSED if done else 0) | (SESSION if stream.session else 0)
    if count is not None:
        flags |= (LOST if count.lost else 0) | (DOUBTED if count.doubt != NO_DOUBT else 0)
    out.unsigned(flags)
    out.text(stream.id)
    session_ns = parse_rfc3339(stream.session) if stream.session else 0
    if stream.session:
        out.signed(session_ns - time_ms * 1_000_000)
    if count is not None:
        out.unsigned(count.sample)
        out.signed(count.sample - count.segment_sample)
        out.unsigned(count.sample_rate)
        out.signed(count.time.anchor_sample - count.sample)
        out.signed(count.time.anchor_ns - session_ns)
        out.signed(count.heard_ms - time_ms)
        if count.doubt != NO_DOUBT:
            out.signed(count.doubt - count.sample)
    if done is not None:
        out.unsigned(done.next_sample)
        out.unsigned(max(0, done.next_offset - offset))


def _read_stream(reader: _Reader, time_ms: int, offset: int) -> tuple[Count | None, StreamState | None]:
    flags = reader.unsigned()
    stream_id = reader.text()
    session_ns = reader.signed() + time_ms * 1_000_000 if flags & SESSION else 0
    stream = Stream(stream_id, rfc3339(session_ns) if flags & SESSION else "")
    count = done = None
    if flags & COUNTED:
        sample = reader.unsigned()
        segment_sample = sample - reader.signed()
        rate = reader.unsigned()
        time = TimeMap(sample + reader.signed(), session_ns + reader.signed(), rate)
        heard_ms = time_ms + reader.signed()
        doubt = sample + reader.signed() if flags & DOUBTED else NO_DOUBT
        count = Count(stream, sample, segment_sample, rate, time, heard_ms, doubt, bool(flags & LOST))
    if flags & PROGRESSED:
        done = StreamState(stream, reader.unsigned(), offset + reader.unsigned())
    return count, done


class _Writer:
    """Numbers of as many bytes as they need: 7 bits each, the highest says that more follow."""

    def __init__(self) -> None:
        self.data = bytearray()

    def unsigned(self, number: int) -> None:
        while number > 127:
            self.data.append(number & 127 | 128)
            number >>= 7
        self.data.append(number)

    def signed(self, number: int) -> None:
        self.unsigned(number << 1 if number >= 0 else ~(number << 1))

    def text(self, text: str) -> None:
        data = text.encode()
        self.unsigned(len(data))
        self.data += data


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    @property
    def at_end(self) -> bool:
        return self._place == len(self._data)

    def unsigned(self) -> int:
        number = shift = 0
        while True:
            byte = self._data[self._place]
            self._place += 1
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number

    def signed(self) -> int:
        number = self.unsigned()
        return ~(number >> 1) if number & 1 else number >> 1

    def text(self) -> str:
        length = self.unsigned()
        data = self._data[self._place : self._place + length]
        self._place += length
        return data.decode()

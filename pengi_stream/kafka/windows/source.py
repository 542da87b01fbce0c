"""Windows from Kafka, shared among the workers of a group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import structlog

from pengi_stream.clock import Clock, Deadline
from pengi_stream.errors import AudioError, ConfigError
from pengi_stream.kafka.audio.partition import Counts
from pengi_stream.kafka.audio.state import PartitionState, StateWriter, read_state
from pengi_stream.kafka.lane import RecordPosition
from pengi_stream.kafka.reading.inbox import Assigned, RawRecord
from pengi_stream.kafka.reading.kept import Kept, StateError
from pengi_stream.kafka.reading.lanes import LaneReader
from pengi_stream.kafka.reading.options import ConsumerOptions
from pengi_stream.kafka.reading.reader import GroupReader
from pengi_stream.kafka.windows.source_config import WindowsSourceConfig
from pengi_stream.outcomes import WindowItem
from pengi_stream.protocols import Context, WindowSource
from pengi_stream.status import Status
from pengi_stream.types import (
    BadRecord,
    CommitPosition,
    Resumed,
    Revoked,
    Stream,
    StreamEnd,
    StreamState,
    WindowShape,
)
from pengi_stream.wire.windows import WindowRecord, from_record

log = structlog.get_logger()

NS_PER_MS = 1_000_000


class WindowsSource(WindowSource):
    """Reads the partitions that its group gives it.

    Each record is whole in itself. A commit keeps, with the offset, how far each stream is done, and what the stages
    behind the model know of it.
    """

    def __init__(self, config: WindowsSourceConfig, context: Context) -> None:
        if context.shape is None:
            raise ConfigError("a source of windows needs the shape of the model's windows")
        self._shape = context.shape
        self._clock = context.clock
        self._reader = GroupReader(_options(config), self._open, context)

    def windows(self) -> Iterator[WindowItem | Resumed | Revoked]:
        return self._reader.items()

    def close(self) -> None:
        self._reader.close()

    def finish(self, deadline: Deadline) -> None:
        self._reader.finish(deadline)

    def status(self) -> Status:
        return self._reader.status()

    def _open(self, assigned: Assigned) -> WindowLane:
        return WindowLane(assigned, self._shape, self._clock)


class WindowLane(LaneReader[WindowItem | Resumed | Revoked]):
    """One partition of windows."""

    def __init__(self, assigned: Assigned, shape: WindowShape, clock: Clock) -> None:
        self._lane = assigned.lane
        self._offset = assigned.offset
        self._shape = shape
        self._clock = clock
        self._writer = StateWriter()
        self._resumed: Sequence[StreamState] = ()
        try:
            self._resumed = read_state(assigned.kept).done
        except StateError as error:
            log.warning("state_unreadable", partition=self._lane.name, reason=str(error))
        self._streams = dict.fromkeys(done.stream for done in self._resumed)
        """Those that go on"""

    def begin(self) -> Iterator[Resumed]:
        position = self._lane.position(self._offset)
        log.info("partition_taken", partition=self._lane.name, offset=self._offset, streams=len(self._resumed))
        for done in self._resumed:
            yield Resumed(done.stream, done, position)

    def take(self, record: RawRecord) -> Sequence[WindowItem]:
        position = self._lane.position(record.offset)
        try:
            if record.key is None or record.value is None:
                raise AudioError("found a record without key or value, expected a window")
            found = from_record(
                WindowRecord(record.key, record.value, record.headers),
                self._shape,
                position,
                self._clock.monotonic_s(),
            )
        except AudioError as error:
            return [self._bad(record, position, error)]
        if isinstance(found, StreamEnd):
            self._streams.pop(found.stream, None)
        else:
            self._streams[found.stream] = None
        return [found]

    def lose(self, reason: str) -> Sequence[WindowItem]:
        return [BadRecord(Stream(self._lane.name), reason, time_ns=self._clock.utc_ns(), kept=True)]

    def end(self) -> Iterator[Revoked]:
        for stream in self._streams:
            yield Revoked(stream, self._lane.position(0))

    def kept(self, position: CommitPosition) -> Kept:
        return self._writer.kept(PartitionState(Counts(), position.states), position.offset)

    def _bad(self, record: RawRecord, position: RecordPosition, error: AudioError) -> BadRecord:
        name = self._lane.name if record.key is None else record.key.decode("utf-8", "surrogateescape")
        return BadRecord(
            Stream(name),
            f"{name}: {error}",
            type(error).__name__,
            value=record.value,
            key=record.key,
            headers=record.headers,
            time_ns=record.timestamp_ms * NS_PER_MS,
            position=position,
        )


def _options(config: WindowsSourceConfig) -> ConsumerOptions:
    """What the config says to the consumer."""
    return ConsumerOptions(
        servers=config.bootstrap_servers,
        group_id=config.group_id,
        topics=config.topics,
        security=config.security,
        start=config.start,
        state_topic=config.state_topic,
        buffer_bytes=round(config.buffer_mb * (1 << 20)),
        commit_interval_s=config.commit_interval_s,
        session_timeout_s=config.session_timeout_s,
        max_poll_interval_s=config.max_poll_interval_s,
        give_up_after_s=config.give_up_after_s,
    )

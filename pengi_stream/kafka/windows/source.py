"""Windows from Kafka, shared among the workers of a group."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pengi_stream.clock import Clock, Deadline, SystemClock
from pengi_stream.errors import AudioError
from pengi_stream.kafka.reading.consumer import Consumer
from pengi_stream.kafka.reading.inbox import Arrival, Assigned, Inbox, Lost, RawRecord, Records, Removed
from pengi_stream.kafka.reading.options import ConsumerOptions
from pengi_stream.kafka.windows.source_config import WindowsSourceConfig
from pengi_stream.metrics import Metrics
from pengi_stream.protocols import Progress
from pengi_stream.status import Status
from pengi_stream.types import BadRecord, Position, Stream, WindowItem, WindowShape
from pengi_stream.wire.windows import WindowRecord, from_record

NS_PER_MS = 1_000_000
CLOSE_S = 5.0


class WindowsSource:
    """Reads the partitions that its group gives it. A WindowSource and a ReplayedSource.

    Each record is whole in itself, so that what a commit keeps is an offset: all before it is done.
    """

    def __init__(self, config: WindowsSourceConfig, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._inbox = Inbox(round(config.buffer_mb * (1 << 20)))
        self._consumer = Consumer(_options(config), self._inbox, self._positions, self._removed, self._clock)
        self._lock = threading.Lock()
        self._generations: dict[str, int] = {}
        self._progress: Progress | None = None
        self._told: dict[str, Position] = {}

    def measure(self, metrics: Metrics) -> None:
        """See `Measured`."""
        self._consumer.measure(metrics)

    def status(self) -> Status:
        """See `Watched`."""
        return self._consumer.status()

    def follow(self, progress: Progress) -> None:
        """See `ReplayedSource`."""
        self._progress = progress

    def windows(self, shape: WindowShape) -> Iterator[WindowItem]:
        """See `WindowSource`."""
        self._consumer.start(commits=True)
        try:
            while (arrival := self._inbox.take()) is not None:
                yield from self._items(arrival, shape)
        finally:
            if self._progress is None:
                self.finish(Deadline(CLOSE_S))

    def commit(self, position: Position) -> None:
        """See `WindowSource`; of no use to a source that follows."""
        if self._progress is None:
            with self._lock:
                self._told[position.partition] = position

    def close(self) -> None:
        """See `WindowSource`."""
        self._consumer.close()

    def finish(self, deadline: Deadline) -> None:
        """See `ReplayedSource`."""
        self._consumer.finish(deadline)

    def _items(self, arrival: Arrival, shape: WindowShape) -> Iterator[WindowItem]:
        match arrival:
            case Assigned(partition, generation):
                self._generations[partition] = generation
            case Removed(partition, generation):
                if self._generations.get(partition) == generation:
                    del self._generations[partition]
                    with self._lock:
                        self._told.pop(partition, None)
            case Lost(partition, generation, reason):
                if self._generations.get(partition) == generation:
                    yield BadRecord(Stream(partition), reason, time_ns=self._clock.utc_ns(), kept=True)
            case Records(partition, generation, records):
                if self._generations.get(partition) == generation:
                    for record in records:
                        yield self._item(record, Position(partition, record.offset, generation), shape)

    def _item(self, record: RawRecord, position: Position, shape: WindowShape) -> WindowItem:
        try:
            if record.key is None or record.value is None:
                raise AudioError("found a record without key or value, expected a window")
            found = from_record(
                WindowRecord(record.key, record.value, record.headers), shape, position, self._clock.monotonic_s()
            )
        except AudioError as error:
            stream = Stream(position.partition if record.key is None else record.key.decode("utf-8", "surrogateescape"))
            return BadRecord(
                stream,
                f"{stream.id}: {error}",
                type(error).__name__,
                value=record.value,
                key=record.key,
                headers=record.headers,
                time_ns=record.timestamp_ms * NS_PER_MS,
                position=position,
            )
        return replace(found, stream=replace(found.stream, live=False))  # what is in Kafka can wait

    def _removed(self, removed: Removed) -> None:
        if self._progress is not None:
            self._progress.revoke(removed.partition, removed.generation)

    def _positions(self) -> Sequence[Position]:
        """What is done, for the polling thread to commit."""
        if self._progress is not None:
            return [replace(position, states=()) for position in self._progress.positions()]
        with self._lock:
            return list(self._told.values())


def _options(config: WindowsSourceConfig) -> ConsumerOptions:
    """What the config says to the consumer."""
    return ConsumerOptions(
        servers=config.bootstrap_servers,
        group_id=config.group_id,
        topics=config.topics,
        security=config.security,
        start=config.start,
        buffer_bytes=round(config.buffer_mb * (1 << 20)),
        commit_interval_s=config.commit_interval_s,
        session_timeout_s=config.session_timeout_s,
        max_poll_interval_s=config.max_poll_interval_s,
        give_up_after_s=config.give_up_after_s,
    )

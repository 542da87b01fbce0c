"""Audio from Kafka, of as many streams as there are keys, shared among the workers of a group."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

import structlog

from pengi_stream.clock import Clock, Deadline, SystemClock, parse_rfc3339
from pengi_stream.kafka.audio.config import KafkaSourceConfig
from pengi_stream.kafka.audio.partition import NS_PER_MS, Counts, PartitionStreams, StreamRules
from pengi_stream.kafka.audio.state import PartitionState, StateError, decode_state, encode_state
from pengi_stream.kafka.reading.assignment import Start
from pengi_stream.kafka.reading.consumer import Consumer
from pengi_stream.kafka.reading.inbox import Arrival, Assigned, Inbox, Lost, RawRecord, Records, Removed
from pengi_stream.kafka.reading.options import ConsumerOptions
from pengi_stream.metrics import Metrics
from pengi_stream.protocols import Progress, SourcePlace
from pengi_stream.status import Status
from pengi_stream.types import Position, Resumed, Revoked, SourceItem, Stream

log = structlog.get_logger()

CLOSE_S = 5.0


class KafkaSource:
    """Reads the partitions that its group gives it. A ReplayedSource, and a TransactionalSource.

    A commit keeps, with the offset, what the streams of the partition had counted there and how far they are done, so
    that whoever reads on gives the same windows, and none twice that was done.
    """

    def __init__(self, config: KafkaSourceConfig, clock: Clock | None = None) -> None:
        self._rules = StreamRules(
            config.audio, config.gap_tolerance_s, config.idle_s, config.max_streams, config.max_record_s
        )
        self._inbox = Inbox(round(config.buffer_mb * (1 << 20)))
        self._consumer = Consumer(
            consumer_options(config), self._inbox, self._positions, self._removed, clock or SystemClock()
        )
        self._lock = threading.Lock()
        self._partitions: dict[str, _Reading] = {}
        self._progress: Progress | None = None
        self._told: dict[str, Position] = {}
        self._commits = True

    def measure(self, metrics: Metrics) -> None:
        """See `Measured`."""
        self._consumer.measure(metrics)

    def status(self) -> Status:
        """See `Watched`."""
        return self._consumer.status()

    def follow(self, progress: Progress) -> None:
        """See `ReplayedSource`."""
        self._progress = progress

    def leave_commits(self) -> None:
        """See `TransactionalSource`."""
        self._commits = False

    def place(self, positions: Sequence[Position]) -> SourcePlace | None:
        """See `TransactionalSource`."""
        return self._consumer.place(self._with_states(positions))

    def frames(self) -> Iterator[SourceItem]:
        """See `AudioSource`."""
        self._consumer.start(commits=self._commits)
        try:
            while (arrival := self._inbox.take()) is not None:
                yield from self._items(arrival)
        finally:
            if self._progress is None:
                self.finish(Deadline(CLOSE_S))

    def commit(self, position: Position) -> None:
        """See `AudioSource`; of no use to a source that follows."""
        if self._progress is None:
            with self._lock:
                self._told[position.partition] = position

    def close(self) -> None:
        """See `AudioSource`."""
        self._consumer.close()

    def finish(self, deadline: Deadline) -> None:
        """See `ReplayedSource`."""
        self._consumer.finish(deadline)

    def _items(self, arrival: Arrival) -> Iterator[SourceItem]:
        match arrival:
            case Assigned():
                yield from self._begin(arrival)
            case Removed(partition, generation):
                yield from self._forget(partition, generation)
            case Lost(partition, generation, reason):
                if reading := self._reading(partition, generation):
                    with self._lock:
                        reading.streams.lose(reason)
            case Records(partition, generation, records):
                if reading := self._reading(partition, generation):
                    for record in records:
                        yield from self._take(reading, record)

    def _begin(self, assigned: Assigned) -> Iterator[Resumed]:
        state = PartitionState(Counts())
        if assigned.metadata:
            try:
                state = decode_state(assigned.metadata, assigned.offset)
            except StateError as error:
                log.warning("state_unreadable", partition=assigned.partition, reason=str(error))
        streams = PartitionStreams(assigned.partition, assigned.generation, self._rules, state.counts)
        reading = _Reading(assigned.generation, streams, [done.stream for done in state.done])
        with self._lock:
            self._partitions[assigned.partition] = reading
        position = Position(assigned.partition, assigned.offset, assigned.generation)
        log.info("partition_taken", partition=assigned.partition, offset=assigned.offset, streams=len(streams.streams))
        for done in state.done:
            yield Resumed(done.stream, done, position)

    def _forget(self, partition: str, generation: int) -> Iterator[Revoked]:
        reading = self._reading(partition, generation)
        if reading is None:
            return
        with self._lock:
            del self._partitions[partition]
            self._told.pop(partition, None)
        position = Position(partition, 0, generation)
        for stream in dict.fromkeys([*reading.streams.streams, *reading.resumed]):
            yield Revoked(stream, position)

    def _take(self, reading: _Reading, record: RawRecord) -> Sequence[SourceItem]:
        with self._lock:
            return list(reading.streams.take(record))

    def _reading(self, partition: str, generation: int) -> _Reading | None:
        reading = self._partitions.get(partition)
        return reading if reading is not None and reading.generation == generation else None

    def _removed(self, removed: Removed) -> None:
        if self._progress is not None:
            self._progress.revoke(removed.partition, removed.generation)

    def _positions(self) -> Sequence[Position]:
        """What is done, for the polling thread to commit."""
        if self._progress is not None:
            return self._with_states(self._progress.positions())
        with self._lock:
            told = list(self._told.values())
        return self._with_states(told)

    def _with_states(self, positions: Sequence[Position]) -> Sequence[Position]:
        found = []
        with self._lock:
            for position in positions:
                reading = self._reading(position.partition, position.generation)
                if reading is not None:
                    counts = reading.streams.counts_before(position.offset)
                    text = encode_state(PartitionState(counts, position.states), position.offset)
                    found.append(replace(position, metadata=text))
        return found


class _Reading:
    """A partition that is ours."""

    def __init__(self, generation: int, streams: PartitionStreams, resumed: Sequence[Stream]) -> None:
        self.generation = generation
        self.streams = streams
        self.resumed = resumed


def consumer_options(config: KafkaSourceConfig) -> ConsumerOptions:
    """What the config says to the consumer."""
    words: dict[str, Start] = {"earliest": "earliest", "latest": "latest", "committed": "committed"}
    return ConsumerOptions(
        servers=config.bootstrap_servers,
        group_id=config.group_id,
        topics=config.topics,
        pattern=config.pattern,
        security=config.security,
        start=words[config.start] if config.start in words else parse_rfc3339(config.start) // NS_PER_MS,
        state_topic=config.state_topic,
        buffer_bytes=round(config.buffer_mb * (1 << 20)),
        commit_interval_s=config.commit_interval_s,
        session_timeout_s=config.session_timeout_s,
        max_poll_interval_s=config.max_poll_interval_s,
        give_up_after_s=config.give_up_after_s,
    )

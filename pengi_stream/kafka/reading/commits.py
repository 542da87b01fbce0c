"""What is done, to the broker: at intervals, when partitions are revoked, and at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from pengi_stream.clock import Clock, Deadline
from pengi_stream.errors import BrokerError
from pengi_stream.kafka.client.producer import Record
from pengi_stream.kafka.client.transactions import Place
from pengi_stream.kafka.config import partition_name
from pengi_stream.kafka.reading.assignment import Assignment
from pengi_stream.kafka.reading.states import MOST_BYTES, StateTopic
from pengi_stream.metrics import Metrics
from pengi_stream.types import Position
from pengi_stream.wire.letter import split_partition

log = structlog.get_logger()

ANSWER_S = 30.0  # the library forgets some commits where a connection breaks

Offsets = Mapping[TopicPartition, OffsetAndMetadata]


class Commits:
    """Commits the positions that `positions` gives, whose `metadata` is kept with the offset. Polling thread only, but
    for `place` and `revoked`."""

    def __init__(
        self,
        library: KafkaConsumer,
        assignment: Assignment,
        positions: Callable[[], Sequence[Position]],
        states: StateTopic,
        clock: Clock,
    ) -> None:
        self._library = library
        self._assignment = assignment
        self._positions = positions
        self._states = states
        self._clock = clock
        self._committed: dict[TopicPartition, tuple[int, OffsetAndMetadata]] = {}
        self._kept: dict[TopicPartition, tuple[str, str]] = {}
        """What was put into the topic of states, by what stands for it"""
        self._answer_due: Deadline | None = None
        self.metrics: Metrics | None = None

    def begin(self) -> None:
        """Send what moved since the last commit; does not wait for the answer, but for states to be durable."""
        if self._answer_due is not None and not self._answer_due.expired:
            return
        offsets, records = self._moved()
        if not offsets:
            return
        try:
            self._states.write(records)
        except BrokerError as error:
            log.warning("states_not_written", reason=str(error))
            return
        self._answer_due = Deadline(ANSWER_S, self._clock)
        self._library.commit_async(dict(offsets), partial(self._answered, self._clock.monotonic_s()))

    async def revoked(self) -> None:
        """On kafka-python's IO thread: the last chance to commit; states that need a topic are left out."""
        offsets, records = self._moved()
        if records:
            offsets = {place: at for place, at in offsets.items() if not at.metadata.startswith("pengi-stream/kept")}
        if offsets:
            try:
                await self._library.commit_async(dict(offsets))
                self._keep(offsets)
            except KafkaError as error:
                log.info("commit_refused", reason=repr(error))

    def finish(self, timeout_s: float) -> None:
        """Commit and wait for the answer."""
        offsets, records = self._moved()
        if offsets:
            try:
                self._states.write(records)
                self._library.commit(dict(offsets), timeout_ms=round(timeout_s * 1000))
                self._keep(offsets)
            except (KafkaError, BrokerError) as error:
                log.warning("commit_refused", reason=repr(error))

    def place(self, positions: Sequence[Position]) -> Place | None:
        """For a transaction. Any thread."""
        offsets, records = self._offsets(positions)
        if records and not self._states.exists:
            return None
        return Place(offsets, self._library.group_metadata(), records) if offsets else None

    def make_state_topic(self, positions: Sequence[Position]) -> None:
        """Where `place` needs it. Raises BrokerError."""
        if not self._states.exists and any(len(position.metadata) > MOST_BYTES for position in positions):
            self._states.make()

    def _moved(self) -> tuple[Offsets, list[Record]]:
        offsets, records = self._offsets(self._positions())
        return offsets, records

    def _offsets(self, positions: Sequence[Position]) -> tuple[Offsets, list[Record]]:
        offsets, records = {}, []
        for position in positions:
            place = TopicPartition(*split_partition(position.partition))
            held = self._assignment.held.get(place)
            if held is None or held.generation != position.generation:
                continue
            if self._is_committed(place, held.generation, position):
                continue
            wanted = OffsetAndMetadata(position.offset, position.metadata, -1)
            if len(position.metadata) > MOST_BYTES:
                reference, record = self._states.record(position.partition, position.metadata)
                self._kept[place] = reference, position.metadata
                wanted = OffsetAndMetadata(position.offset, reference, -1)
                records.append(record)
            offsets[place] = wanted
        return offsets, records

    def _is_committed(self, place: TopicPartition, generation: int, position: Position) -> bool:
        before, at = self._committed.get(place, (0, None))
        if at is None or (before, at.offset) != (generation, position.offset):
            return False
        return position.metadata == at.metadata or self._kept.get(place) == (at.metadata, position.metadata)

    def _answered(self, began_s: float, offsets: Offsets, answer: object) -> None:
        self._answer_due = None
        if isinstance(answer, Exception):
            log.info("commit_refused", reason=repr(answer))
            return
        self._keep(offsets)
        if self.metrics is not None:
            self.metrics.commit_s.observe(self._clock.monotonic_s() - began_s)

    def _keep(self, offsets: Offsets) -> None:
        for place, at in offsets.items():
            if place in self._assignment.held:
                self._committed[place] = self._assignment.held[place].generation, at
                self._states.committed(partition_name(*place), at.metadata)

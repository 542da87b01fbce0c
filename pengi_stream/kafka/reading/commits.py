"""What is done, to the broker: at intervals, before a partition becomes another's, and at the end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from pengi_stream.clock import Clock, Deadline
from pengi_stream.errors import BrokerError
from pengi_stream.kafka.client.producer import Record
from pengi_stream.kafka.client.transactions import Place
from pengi_stream.kafka.lane import Lane
from pengi_stream.kafka.reading.holdings import Holdings
from pengi_stream.kafka.reading.lanes import Lanes, Reached
from pengi_stream.kafka.reading.states import MOST_BYTES, StateTopic
from pengi_stream.metrics import Metrics

log = structlog.get_logger()

ANSWER_S = 30.0  # the library forgets some commits where a connection breaks
HAND_OVER_MS = 5_000
FINISH_MS = 2_000  # for one attempt

Offsets = Mapping[TopicPartition, OffsetAndMetadata]


class Commits:
    """Commits what of `lanes` is done. Polling thread only, but for `place`."""

    def __init__(
        self,
        library: KafkaConsumer,
        holdings: Holdings,
        lanes: Lanes[Any],
        states: StateTopic,
        clock: Clock,
        metrics: Metrics,
        *,
        wanted: bool,
    ) -> None:
        self._library = library
        self._holdings = holdings
        self._lanes = lanes
        self._states = states
        self._clock = clock
        self._metrics = metrics
        self._wanted = wanted
        self._committed: dict[str, tuple[int, OffsetAndMetadata]] = {}
        self._kept: dict[str, tuple[str, str]] = {}
        """What was put into the topic of states, by what stands for it"""
        self._answer_due: Deadline | None = None

    def begin(self) -> None:
        """Send what moved since the last commit; does not wait for the answer, but for states to be durable."""
        if not self._wanted or (self._answer_due is not None and not self._answer_due.expired):
            return
        offsets, records = self._offsets(self._lanes.reached())
        if not offsets:
            return
        try:
            self._states.write(records)
        except BrokerError as error:
            log.warning("states_not_written", reason=str(error))
            return
        self._answer_due = Deadline(ANSWER_S, self._clock)
        self._library.commit_async(dict(offsets), partial(self._answered, self._clock.monotonic_s()))

    def hand_over(self, lanes: Collection[Lane]) -> None:
        """They become another's when we poll again: let nothing more of them be done, and commit what is."""
        reached = [each for each in self._lanes.reached() if each.lane in lanes]
        for lane in lanes:
            self._lanes.revoke(lane)
        if self._wanted:
            try:
                self._commit_now(reached, HAND_OVER_MS)
            except (KafkaError, BrokerError) as error:
                log.warning("commit_refused", reason=repr(error))

    def forget(self, lanes: Collection[Lane]) -> None:
        """They are ours no more."""
        for lane in lanes:
            self._lanes.revoke(lane)
            self._committed.pop(lane.name, None)
            self._kept.pop(lane.name, None)

    def finish(self, deadline: Deadline, poll: Callable[[], None]) -> None:
        """Commit and wait for the answer; in the middle of a rebalance only `poll` brings it nearer."""
        while self._wanted:
            try:
                self._commit_now(self._lanes.reached(), FINISH_MS)
            except (KafkaError, BrokerError) as error:
                if deadline.expired:
                    log.warning("commit_refused", reason=repr(error))
                    return
                poll()
            else:
                return

    def place(self, reached: Sequence[Reached]) -> Place | None:
        """For a transaction. Any thread."""
        group = self._holdings.now.group
        offsets, records = self._offsets(reached)
        return Place(offsets, group, records) if offsets else None

    def _commit_now(self, reached: Sequence[Reached], within_ms: int) -> None:
        offsets, records = self._offsets(reached)
        if offsets:
            self._states.write(records)
            self._library.commit(dict(offsets), timeout_ms=within_ms)
            self._keep(offsets)

    def _offsets(self, reached: Sequence[Reached]) -> tuple[Offsets, list[Record]]:
        offsets, records = {}, []
        for each in reached:
            held = self._holdings.of(each.lane.name, each.lane.assignment)
            if held is None or self._is_committed(each):
                continue
            wanted = OffsetAndMetadata(each.offset, each.state, -1)
            if len(each.state) > MOST_BYTES:
                reference, record = self._states.record(each.lane.name, each.state)
                self._kept[each.lane.name] = reference, each.state
                wanted = OffsetAndMetadata(each.offset, reference, -1)
                records.append(record)
            offsets[held.partition] = wanted
        return offsets, records

    def _is_committed(self, reached: Reached) -> bool:
        name = reached.lane.name
        assignment, at = self._committed.get(name, (0, None))
        if at is None or (assignment, at.offset) != (reached.lane.assignment, reached.offset):
            return False
        return reached.state == at.metadata or self._kept.get(name) == (at.metadata, reached.state)

    def _answered(self, began_s: float, offsets: Offsets, answer: object) -> None:
        self._answer_due = None
        if isinstance(answer, Exception):
            log.info("commit_refused", reason=repr(answer))
            return
        self._keep(offsets)
        self._metrics.commit_s.observe(self._clock.monotonic_s() - began_s)

    def _keep(self, offsets: Offsets) -> None:
        for partition, at in offsets.items():
            held = self._holdings.held.get(Lane(*partition).name)
            if held is not None:
                self._committed[held.lane.name] = held.lane.assignment, at
                self._states.committed(held.lane.name, at.metadata)

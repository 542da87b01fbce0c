"""One connection as a member of the group, from its first poll until it leaves."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from kafka.util import Timer

from pengi_stream.clock import Clock, Deadline
from pengi_stream.errors import BrokerError
from pengi_stream.kafka.lane import Lane
from pengi_stream.kafka.reading.assignment import Assignment, Listener, finish_join
from pengi_stream.kafka.reading.beginning import Beginning
from pengi_stream.kafka.reading.commits import Commits
from pengi_stream.kafka.reading.holdings import Holdings
from pengi_stream.kafka.reading.inbox import Inbox, RawRecord, Records
from pengi_stream.kafka.reading.lag import Lag
from pengi_stream.kafka.reading.lanes import Lanes
from pengi_stream.kafka.reading.options import ConsumerOptions
from pengi_stream.kafka.reading.states import StateTopic
from pengi_stream.metrics import Metrics

log = structlog.get_logger()

POLL_MS = 100
MOST_RECORDS = 500
SPINNING_S = 0.005


@dataclass(frozen=True, slots=True)
class Reads:
    """What is read, by whom, and where it goes: the same for every connection."""

    options: ConsumerOptions
    inbox: Inbox
    lanes: Lanes[Any]
    holdings: Holdings
    states: StateTopic
    clock: Clock
    metrics: Metrics
    commits: bool
    """Whether what is done is committed; else a transaction does"""


class Membership:
    """Polls, hands records on, follows rebalances and commits. Polling thread only, but for `commits.place`."""

    def __init__(self, reads: Reads) -> None:
        """Raises KafkaError."""
        options = reads.options
        self._inbox = reads.inbox
        self._holdings = reads.holdings
        self._clock = reads.clock
        self._metrics = reads.metrics
        self._woken = threading.Event()
        self.library = KafkaConsumer(**options.library_options())
        listener = Listener(self.library)
        self.commits = Commits(
            self.library,
            reads.holdings,
            reads.lanes,
            reads.states,
            reads.clock,
            reads.metrics,
            wanted=reads.commits,
        )
        self._assignment = Assignment(
            self.library,
            listener,
            reads.holdings,
            Beginning(self.library, options.start),
            reads.inbox,
            self.commits,
            reads.states,
        )
        self.lag = Lag(self.library, reads.holdings, reads.clock, reads.metrics)
        self._paused = False
        self.library.subscribe(topics=options.topics, pattern=options.pattern, listener=listener)
        try:
            for topic in options.topics:
                self.library.partitions_for_topic(topic)  # or the first join gets no partitions, and another follows
        except KafkaError:
            self.library.close(timeout_ms=0)
            raise

    def poll(self) -> None:
        """Wait for records for a moment, and hand on what came. Raises SourceError, KafkaError, BrokerError."""
        found: Mapping[TopicPartition, Sequence[Any]] = {}
        try:
            found = self._poll_once()
        except OffsetOutOfRangeError as error:
            self._assignment.out_of_range(error.args[0])
        except NoOffsetForPartitionError:
            pass  # settled below
        except KafkaError as error:
            if not error.retriable:
                raise
            log.warning("poll_failed", reason=repr(error))
        finish_join(self.library)
        if changed := self._assignment.settle():
            self._metrics.rebalances.inc()
        for partition, records in found.items():
            self._hand_on(partition, records)
        self._control_flow(changed=changed)

    @property
    def silent_s(self) -> float:
        """For so long the broker owes us the answer to a heartbeat."""
        heartbeat = self.library._coordinator.heartbeat
        owes = heartbeat.last_send > max(heartbeat.last_receive, heartbeat.last_reset)
        return max(0.0, self._clock.monotonic_s() - heartbeat.last_send) if owes else 0.0

    def commit(self) -> None:
        """Send what is done; does not wait for the answer."""
        try:
            self.commits.begin()
        except (KafkaError, BrokerError) as error:
            log.warning("commit_failed", reason=repr(error))

    def finish(self, deadline: Deadline) -> None:
        """Commit what is done."""
        try:
            self.commits.finish(deadline, self.poll)
        except (KafkaError, BrokerError) as error:
            log.warning("commit_failed", reason=repr(error))

    def leave(self, within_s: float) -> None:
        """Let go of the group and of the connection."""
        try:
            self.library.close(timeout_ms=round(within_s * 1000))
        except KafkaError as error:
            log.info("leave_failed", reason=repr(error))
        self.lag.forget()

    def _poll_once(self) -> Mapping[TopicPartition, Sequence[Any]]:
        """The library's own `poll` goes on and joins again before anybody could commit what the group takes from us;
        and it spins where a broker owes a heartbeat's answer."""
        began_s = self._clock.monotonic_s()
        found: Mapping[TopicPartition, Sequence[Any]] = self.library._poll_once(Timer(POLL_MS), MOST_RECORDS)
        if not found and self._clock.monotonic_s() - began_s < SPINNING_S:
            self._woken.wait(POLL_MS / 1000)
        return found

    def _hand_on(self, partition: TopicPartition, records: Sequence[Any]) -> None:
        held = self._holdings.held.get(Lane(*partition).name)
        if held is None or self._inbox.closed:
            return
        raw = tuple(
            RawRecord(record.offset, record.timestamp, record.key, record.value, _headers(record))
            for record in records
            if record.offset >= held.next_offset
        )
        if raw:
            held.next_offset = raw[-1].offset + 1
            held.time_ms = raw[-1].timestamp_ms
            self._inbox.put(Records(held.lane, raw))

    def _control_flow(self, *, changed: bool) -> None:
        """Pause all while too much waits; polls go on, so nobody takes us for dead."""
        ours = self._holdings.partitions
        full = self._inbox.full or self._inbox.closed
        if ours and full and (changed or not self._paused):
            self.library.pause(*ours)
            self._paused = True
        elif ours and not full and (changed or self._paused) and (self._inbox.has_room or not self._paused):
            self.library.resume(*ours)
            self._paused = False


def _headers(record: Any) -> tuple[tuple[str, bytes], ...]:
    """A header may be null."""
    return tuple((name, value or b"") for name, value in record.headers)

"""A member of a consumer group: one thread polls, so that no stall of what follows evicts it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from pengi_stream.clock import Clock, Deadline
from pengi_stream.errors import BrokerError, PengiStreamError, SourceError
from pengi_stream.kafka.client.connect import broker_error, connect, tame_library_log
from pengi_stream.kafka.client.transactions import Place
from pengi_stream.kafka.config import partition_name
from pengi_stream.kafka.reading.assignment import Assignment, Listener, finish_join
from pengi_stream.kafka.reading.commits import Commits
from pengi_stream.kafka.reading.inbox import Arrival, Inbox, RawRecord, Records, Removed
from pengi_stream.kafka.reading.lag import Lag
from pengi_stream.kafka.reading.options import ConsumerOptions
from pengi_stream.kafka.reading.states import StateTopic
from pengi_stream.metrics import Metrics
from pengi_stream.status import Status
from pengi_stream.types import Position

log = structlog.get_logger()

POLL_MS = 100
PROBE_S = 5.0  # between two looks at why there is no connection
MEASURE_S = 1.0
LEAVE_S = 2.0  # after an error


class Consumer:
    """Polls in a thread of its own, into `inbox`; heartbeats are kafka-python's.

    `positions` says what is done; `on_removed` hears at once which partitions are others'. Any thread may call both.
    """

    def __init__(
        self,
        options: ConsumerOptions,
        inbox: Inbox,
        positions: Callable[[], Sequence[Position]],
        on_removed: Callable[[Removed], None],
        clock: Clock,
    ) -> None:
        self._options = options
        self._inbox = inbox
        self._positions = positions
        self._on_removed = on_removed
        self._clock = clock
        self._metrics: Metrics | None = None
        self._commits = True
        self._states = StateTopic(options.servers, options.security, options.state_topic, options.group_id)
        self._finish_within_s: float | None = None
        self._stopping = threading.Event()
        self._closing = threading.Event()
        self._status = Status("inactive")
        self._thread = threading.Thread(target=self._run, name=f"poll-{options.group_id}", daemon=True)
        self._parts: _Parts | None = None

    def measure(self, metrics: Metrics) -> None:
        """Count lag, rebalances and the time of commits in `metrics`. Before `start`."""
        self._metrics = metrics

    def start(self, *, commits: bool) -> None:
        """Begin to poll; with `commits`, to commit what is done. Does not block."""
        self._commits = commits
        self._status = Status("starting")
        self._thread.start()

    def status(self) -> Status:
        """How it is, and what it waits for. Any thread."""
        return self._status

    def place(self, positions: Sequence[Position]) -> Place | None:
        """See `TransactionalSource.place`."""
        return self._parts.commits.place(positions) if self._parts is not None else None

    def close(self) -> None:
        """Fetch nothing more, but keep our partitions until `finish`. Any thread; does not block."""
        self._closing.set()
        self._inbox.close()

    def finish(self, deadline: Deadline) -> None:
        """Commit what is done, leave the group and end the thread. Any thread but the polling one."""
        self.close()
        self._finish_within_s = deadline.remaining_s()
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(deadline.remaining_s())
        self._status = Status("stopped")

    def _run(self) -> None:
        try:
            self._parts = self._connect()
            if self._parts is None:
                return
            try:
                self._poll_until_stopped(self._parts)
            finally:
                self._leave(self._parts)
        except KafkaError as error:
            self._inbox.fail(SourceError(str(broker_error(self._options.servers, error))))
        except PengiStreamError as error:
            self._inbox.fail(error if isinstance(error, SourceError) else SourceError(str(error)))
        except Exception as error:  # noqa: BLE001  a thread's error belongs to who reads from it
            self._inbox.fail(error)
        finally:
            self._status = Status("stopped")

    def _connect(self) -> _Parts | None:
        """Wait until a broker lets us in; None: told to stop before. Raises BrokerError where waiting does not help."""
        patience = Deadline(self._options.give_up_after_s, self._clock)
        while not self._stopping.is_set():
            try:
                connect(self._options.servers, self._options.security, reads=self._options.topics)
                return self._open()
            except (BrokerError, KafkaError) as error:
                trouble = error if isinstance(error, BrokerError) else broker_error(self._options.servers, error)
                if trouble.retry_after_s is None or patience.expired:
                    raise trouble from error
                self._wait_for(str(trouble))
                self._stopping.wait(min(trouble.retry_after_s, patience.remaining_s()))
        return None

    def _open(self) -> _Parts:
        tame_library_log()
        library = KafkaConsumer(**self._options.library_options())
        listener = Listener(library)
        assignment = Assignment(library, listener, self._options.start, self._states.read, self._put)
        commits = Commits(library, assignment, self._positions, self._states, self._clock)
        if self._commits:
            listener.commit = commits.revoked
        lag = Lag(library, assignment, self._clock)
        commits.metrics = lag.metrics = assignment.metrics = self._metrics
        library.subscribe(topics=self._options.topics, pattern=self._options.pattern, listener=listener)
        try:
            for topic in self._options.topics:
                library.partitions_for_topic(topic)  # or the first join gets no partitions, and a second one follows
        except KafkaError:
            library.close(timeout_ms=0)
            raise
        return _Parts(library, assignment, commits, lag)

    def _put(self, arrival: Arrival) -> None:
        if isinstance(arrival, Removed):
            self._on_removed(arrival)
        self._inbox.put(arrival)

    def _poll_until_stopped(self, parts: _Parts) -> None:
        commit_due = Deadline(self._options.commit_interval_s, self._clock)
        measure_due = Deadline(MEASURE_S, self._clock)
        patience = Deadline(self._options.give_up_after_s, self._clock)
        while not self._stopping.is_set():
            self._poll(parts)
            if commit_due.expired:
                self._commit(parts)
                commit_due = Deadline(self._options.commit_interval_s, self._clock)
            if measure_due.expired:
                parts.lag.measure()
                if self._is_reading(parts.library):
                    patience = Deadline(self._options.give_up_after_s, self._clock)
                self._look_for_broker(patience)
                self._look_for_topics(parts)
                measure_due = Deadline(MEASURE_S, self._clock)

    def _poll(self, parts: _Parts) -> None:
        found: Mapping[TopicPartition, Sequence[Any]] = {}
        try:
            found = parts.library.poll(timeout_ms=POLL_MS)
        except OffsetOutOfRangeError as error:
            parts.assignment.out_of_range(error.args[0])
        except NoOffsetForPartitionError:
            pass  # settled below
        except KafkaError as error:
            if not error.retriable:
                raise
            log.warning("poll_failed", reason=repr(error))
        finish_join(parts.library)
        changed = parts.assignment.settle()
        for place, records in found.items():
            self._hand_on(parts, place, records)
        self._control_flow(parts, changed=changed)

    def _hand_on(self, parts: _Parts, place: TopicPartition, records: Sequence[Any]) -> None:
        held = parts.assignment.held.get(place)
        if held is None or self._closing.is_set():
            return
        raw = tuple(
            RawRecord(record.offset, record.timestamp, record.key, record.value, _headers(record))
            for record in records
            if record.offset >= held.next_offset
        )
        if raw:
            held.next_offset = raw[-1].offset + 1
            held.time_ms = raw[-1].timestamp_ms
            self._inbox.put(Records(partition_name(*place), held.generation, raw))

    def _control_flow(self, parts: _Parts, *, changed: bool) -> None:
        """Pause all while too much waits; polls go on, so nobody takes us for dead."""
        held = parts.assignment.held
        full = self._inbox.full or self._closing.is_set()
        if held and full and (changed or not parts.paused):
            parts.library.pause(*held)
            parts.paused = True
        elif held and not full and (changed or parts.paused) and (self._inbox.has_room or not parts.paused):
            parts.library.resume(*held)
            parts.paused = False

    def _commit(self, parts: _Parts) -> None:
        try:
            if self._commits:
                parts.commits.begin()
            else:
                parts.commits.make_state_topic(self._positions())
        except (KafkaError, BrokerError) as error:
            log.warning("commit_failed", reason=repr(error))

    def _is_reading(self, library: KafkaConsumer) -> bool:
        """Is there a broker that has our topics?"""
        missing = "" if library.metrics()["consumer-metrics"]["connection-count"] else "connection"
        if not missing:
            missing = next((f"topic {name!r}" for name in self._options.topics if not self._has(library, name)), "")
        if missing:
            self._wait_for(self._status.waits_for or f"{','.join(self._options.servers)}: no {missing}")
        elif self._status.state != "running":
            log.info("consumer_running", group_id=self._options.group_id)
            self._status = Status("running")
        return not missing

    @staticmethod
    def _has(library: KafkaConsumer, topic: str) -> bool:
        try:
            return bool(library.partitions_for_topic(topic))
        except KafkaError:
            return False

    def _look_for_broker(self, patience: Deadline) -> None:
        """Say what is missing; raises SourceError when that has lasted too long."""
        if self._status.state != "stalled":
            return
        try:
            connect(self._options.servers, self._options.security, reads=self._options.topics, timeout_s=PROBE_S)
        except BrokerError as error:
            self._wait_for(str(error))
        if patience.expired:
            raise SourceError(f"{self._status.waits_for}; gave up after {self._options.give_up_after_s:g} s")

    def _look_for_topics(self, parts: _Parts) -> None:
        """Say once that the pattern finds none: some may come."""
        found = bool(self._options.pattern is None or parts.library.subscription())
        if parts.subscribed and not found:
            log.warning("no_topic_matches", pattern=self._options.pattern, group_id=self._options.group_id)
        parts.subscribed = found

    def _wait_for(self, reason: str) -> None:
        if self._status != Status("stalled", reason):
            log.warning("waiting_for_broker", reason=reason)
        self._status = Status("stalled", reason)

    def _leave(self, parts: _Parts) -> None:
        within_s = LEAVE_S if self._finish_within_s is None else self._finish_within_s
        if self._commits and self._stopping.is_set():
            parts.commits.finish(within_s)
        try:
            parts.library.close(timeout_ms=round(within_s * 1000))
        except KafkaError as error:
            log.info("leave_failed", reason=repr(error))
        self._states.close()
        parts.lag.forget()


@dataclass(slots=True)
class _Parts:
    """What is there while there is a connection."""

    library: KafkaConsumer
    assignment: Assignment
    commits: Commits
    lag: Lag
    paused: bool = False
    subscribed: bool = True


def _headers(record: Any) -> tuple[tuple[str, bytes], ...]:
    """A header may be null."""
    return tuple((name, value or b"") for name, value in record.headers)

"""A member of a consumer group: one thread polls, so that no stall of what follows evicts it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from kafka.errors import KafkaError

from pengi_stream.clock import Deadline
from pengi_stream.errors import BrokerError, PengiStreamError, SourceError
from pengi_stream.kafka.client.connect import broker_error, connect, tame_library_log
from pengi_stream.kafka.client.transactions import Place
from pengi_stream.kafka.reading.holdings import Holdings
from pengi_stream.kafka.reading.inbox import Inbox
from pengi_stream.kafka.reading.lanes import Lanes
from pengi_stream.kafka.reading.membership import Membership, Reads
from pengi_stream.kafka.reading.options import ConsumerOptions
from pengi_stream.kafka.reading.presence import Presence
from pengi_stream.kafka.reading.states import StateTopic
from pengi_stream.protocols import Context
from pengi_stream.status import Status
from pengi_stream.types import CommitPosition

MEASURE_S = 1.0
LEAVE_S = 2.0  # after an error


class Consumer:
    """Polls in a thread of its own, into `inbox`; heartbeats are kafka-python's."""

    def __init__(self, options: ConsumerOptions, inbox: Inbox, lanes: Lanes[Any], context: Context) -> None:
        self._options = options
        self._inbox = inbox
        self._lanes = lanes
        self._clock = context.clock
        self._states = StateTopic(options.servers, options.security, options.state_topic, options.group_id)
        self._reads = Reads(
            options,
            inbox,
            lanes,
            Holdings(options.group_id),
            self._states,
            context.clock,
            context.metrics,
            commits=not context.transactional,
        )
        self._presence = Presence(options, context.clock)
        self._finish_within_s: float | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"poll-{options.group_id}", daemon=True)
        self._membership: Membership | None = None

    def start(self) -> None:
        """Begin to poll, and to commit what is done. Does not block."""
        self._presence.starting()
        self._thread.start()

    def status(self) -> Status:
        """How it is, and what it waits for. Any thread."""
        return self._presence.status

    def place(self, positions: Sequence[CommitPosition]) -> Place | None:
        """Those of `positions` that are ours, for a transaction; None: none is. Any thread; does not block."""
        if self._membership is None:
            return None
        return self._membership.commits.place(self._lanes.reached(positions))

    def close(self) -> None:
        """Fetch nothing more, but keep our partitions until `finish`. Any thread; does not block."""
        self._inbox.close()

    def finish(self, deadline: Deadline) -> None:
        """Commit what is done, leave the group and end the thread. Any thread but the polling one."""
        self.close()
        self._finish_within_s = deadline.remaining_s()
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(deadline.remaining_s())
        self._presence.stopped()

    def _run(self) -> None:
        try:
            self._membership = self._connect()
            if self._membership is not None:
                self._take_part(self._membership)
        except KafkaError as error:
            self._inbox.fail(SourceError(str(broker_error(self._options.servers, error))))
        except PengiStreamError as error:
            self._inbox.fail(error if isinstance(error, SourceError) else SourceError(str(error)))
        except Exception as error:  # noqa: BLE001  a thread's error belongs to who reads from it
            self._inbox.fail(error)
        finally:
            self._states.close()
            self._presence.stopped()

    def _connect(self) -> Membership | None:
        """Wait until a broker lets us in; None: told to stop before. Raises BrokerError where waiting does not help."""
        while not self._stopping.is_set():
            try:
                connect(self._options.servers, self._options.security, reads=self._options.topics)
                tame_library_log()
                return Membership(self._reads)
            except (BrokerError, KafkaError) as error:
                trouble = error if isinstance(error, BrokerError) else broker_error(self._options.servers, error)
                if self._presence.give_up(trouble):
                    raise trouble from error
                self._stopping.wait(trouble.retry_after_s)
        return None

    def _take_part(self, membership: Membership) -> None:
        try:
            self._poll_until_stopped(membership)
            membership.finish(Deadline(self._finish_within_s or LEAVE_S, self._clock))
        finally:
            membership.leave(self._finish_within_s or LEAVE_S)

    def _poll_until_stopped(self, membership: Membership) -> None:
        commit_due = Deadline(self._options.commit_interval_s, self._clock)
        measure_due = Deadline(MEASURE_S, self._clock)
        while not self._stopping.is_set():
            membership.poll()
            if commit_due.expired:
                membership.commit()
                commit_due = Deadline(self._options.commit_interval_s, self._clock)
            if measure_due.expired:
                membership.lag.measure()
                self._presence.look(membership.library, membership.silent_s)
                measure_due = Deadline(MEASURE_S, self._clock)

"""Whether there is a broker that has our topics, and if not, what is waited for and for how long."""

from __future__ import annotations

import structlog
from kafka import KafkaConsumer
from kafka.errors import KafkaError

from pengi_stream.clock import Clock, Deadline
from pengi_stream.errors import BrokerError, SourceError
from pengi_stream.kafka.client.connect import connect
from pengi_stream.kafka.reading.options import ConsumerOptions
from pengi_stream.status import Status

log = structlog.get_logger()

SILENT_S = 5.0
PROBE_S = 5.0  # for a look at why there is no connection


class Presence:
    """Looked at by the polling thread; any may ask for the `status`."""

    def __init__(self, options: ConsumerOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._patience = self._new_patience()
        self._subscribed = True
        self.status = Status("inactive")

    def starting(self) -> None:
        self.status = Status("starting")
        self._patience = self._new_patience()

    def stopped(self) -> None:
        self.status = Status("stopped")

    def wait_for(self, reason: str) -> None:
        """Say why nothing comes, once."""
        if self.status != Status("stalled", reason):
            log.warning("waiting_for_broker", reason=reason)
        self.status = Status("stalled", reason)

    def give_up(self, error: BrokerError) -> bool:
        """Whether it is no use to try again after `error`; else it is what is waited for."""
        if error.retry_after_s is None or self._patience.expired:
            return True
        self.wait_for(str(error))
        return False

    def look(self, library: KafkaConsumer, silent_s: float) -> None:
        """Is there a broker that has our topics, and has answered? Raises SourceError where there has been none for too
        long."""
        if missing := self._missing(library, silent_s):
            self.wait_for(self.status.waits_for or missing)
            self._ask_why()
        else:
            self._patience = self._new_patience()
            if self.status.state != "running":
                log.info("consumer_running", group_id=self._options.group_id)
            self.status = Status("running")
        self._look_for_matches(library)

    def _missing(self, library: KafkaConsumer, silent_s: float) -> str:
        where = ",".join(self._options.servers)
        if silent_s > SILENT_S:
            return f"{where}: no answer for {silent_s:.0f} s"
        if not library.metrics()["consumer-metrics"]["connection-count"]:
            return f"{where}: no connection"
        return next((f"{where}: no topic {name!r}" for name in self._options.topics if not _has(library, name)), "")

    def _ask_why(self) -> None:
        try:
            connect(self._options.servers, self._options.security, reads=self._options.topics, timeout_s=PROBE_S)
        except BrokerError as error:
            self.wait_for(str(error))
        if self._patience.expired:
            raise SourceError(f"{self.status.waits_for}; gave up after {self._options.give_up_after_s:g} s")

    def _look_for_matches(self, library: KafkaConsumer) -> None:
        """Say once that the pattern finds none: some may come."""
        found = bool(self._options.pattern is None or library.subscription())
        if self._subscribed and not found:
            log.warning("no_topic_matches", pattern=self._options.pattern, group_id=self._options.group_id)
        self._subscribed = found

    def _new_patience(self) -> Deadline:
        return Deadline(self._options.give_up_after_s, self._clock)


def _has(library: KafkaConsumer, topic: str) -> bool:
    try:
        return bool(library.partitions_for_topic(topic))
    except KafkaError:
        return False

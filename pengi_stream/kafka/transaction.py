"""Exactly once: events, dead letters and the place of the source they came from, durable as one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from uuid import uuid4

from pengi_stream.clock import Deadline
from pengi_stream.errors import BrokerError, ConfigError, SinkError, StaleError
from pengi_stream.kafka.client.connect import connect
from pengi_stream.kafka.client.outgoing import MissingTopics, timed
from pengi_stream.kafka.client.producer import ProducerOptions, Record
from pengi_stream.kafka.client.transactions import Place, StalePlaceError, TransactionalProducer
from pengi_stream.kafka.ends import Ends
from pengi_stream.protocols import Context, Transaction
from pengi_stream.types import CommitPosition


class KafkaTransaction(Transaction):
    """What Kafka sinks and dead letters write, and up to where a Kafka source is done, as one. One thread only."""

    def __init__(self, place: Callable[[Sequence[CommitPosition]], Place | None], ends: Ends, context: Context) -> None:
        self._place_of = place
        self._options = ProducerOptions(
            ends.servers, ends.security, ends.topics, ends.compression, max_record_bytes=ends.max_record_bytes
        )
        self._topics = MissingTopics(self._options, ends.creates)
        self._clock = context.clock
        self._metrics = context.metrics
        self._producer = TransactionalProducer(self._options, f"pengi-stream-{uuid4()}")
        self._written: list[Record] = []
        self._place: Place | None = None
        self._reached = False

    def write(self, records: Sequence[Record]) -> None:
        """Take `records` for the next commit; neither blocks nor raises."""
        self._written.extend(records)

    def reach(self, deadline: Deadline) -> None:
        """Return when the topics can be written. Raises SinkError."""
        if self._reached:
            return
        try:
            self._topics.make()
            within_s = max(1.0, deadline.remaining_s())
            connect(self._options.servers, self._options.security, writes=self._options.topics, timeout_s=within_s)
        except BrokerError as error:
            raise SinkError(str(error), error.retry_after_s) from error
        self._reached = True

    def begin(self, positions: Sequence[CommitPosition]) -> Collection[str]:
        self._settle(committed=False)
        self._place = self._place_of(positions)
        return self._place.lanes if self._place is not None else ()

    def commit(self) -> None:
        if self._place is None:
            raise SinkError("a transaction without a place of its source cannot be committed")
        began_s = self._clock.monotonic_s()
        try:
            with timed(self._metrics, self._clock, len(self._written)):
                self._topics.make()
                if self._place.records:
                    self._place.make_topic()
                self._producer.commit(self._written, self._place)
        except BrokerError as error:
            if error.retry_after_s is None:  # nobody will take it at another try
                self._written.clear()
                self._settle(committed=False)
            if isinstance(error, StalePlaceError):
                raise StaleError(str(error)) from error
            raise SinkError(str(error), error.retry_after_s) from error
        self._written.clear()
        self._settle(committed=True)
        self._metrics.commit_s.observe(self._clock.monotonic_s() - began_s)

    def close(self) -> None:
        """Let go of the connection; what is not committed never is. Any number of times."""
        self._producer.close()

    def _settle(self, *, committed: bool) -> None:
        if self._place is not None:
            self._place.settle(committed)
        self._place = None


def transaction_of(context: Context) -> KafkaTransaction | None:
    """The transaction that a part of Kafka takes part in. Raises ConfigError where it is none of Kafka."""
    found = context.transaction
    if found is not None and not isinstance(found, KafkaTransaction):
        raise ConfigError(f"{context.name}: a part in Kafka cannot take part in a {type(found).__name__}")
    return found

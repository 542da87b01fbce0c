"""What sinks share: records are kept until a flush has seen them acknowledged, or a transaction has them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from uuid import uuid4

from pengi_stream.clock import Clock, Deadline
from pengi_stream.errors import BrokerError, ConfigError
from pengi_stream.kafka.client.admin import create_topic
from pengi_stream.kafka.client.producer import Producer, ProducerOptions, Record
from pengi_stream.kafka.client.transactions import Place, TransactionalProducer
from pengi_stream.kafka.config import TopicConfig
from pengi_stream.metrics import Metrics


class Outbox:
    """Takes records at once and sends them at the flush, or with a commit. One thread only.

    A flush that raised may be tried again; a `write` after it means that nobody will, so what it left is forgotten.
    """

    def __init__(
        self, options: ProducerOptions, clock: Clock, creates: Mapping[str, TopicConfig] | None = None
    ) -> None:
        self._options = options
        self._creates = dict(creates or {})
        self._clock = clock
        self._producer: Producer | None = None
        self._transactions: TransactionalProducer | None = None
        self._waiting: deque[Record] = deque()
        self._failed = False
        self._metrics: Metrics | None = None

    def measure(self, metrics: Metrics) -> None:
        """Count in `metrics` how long acknowledgements take, and records that got none."""
        self._metrics = metrics

    def absorb(self, other: Outbox) -> None:
        """Be ready for the records of `other` as well. Raises ConfigError where that is on another cluster."""
        ours, theirs = self._options, other._options
        if (set(ours.servers), ours.security) != (set(theirs.servers), theirs.security):
            raise ConfigError(
                f"one transaction has one cluster and one user; found {','.join(ours.servers)} for {ours.topics[0]!r} "
                f"and {','.join(theirs.servers)} for {theirs.topics[0]!r}"
            )
        self._options = replace(
            ours,
            topics=(*ours.topics, *theirs.topics),
            max_record_bytes=max(ours.max_record_bytes, theirs.max_record_bytes),
        )
        self._creates |= other._creates

    def write(self, records: Sequence[Record]) -> None:
        """Take `records`; neither blocks nor raises."""
        if self._failed:
            self.close()
        self._waiting.extend(records)

    def flush(self, deadline: Deadline) -> None:
        """Return when all that was written is acknowledged; with nothing to send, when the topics can be written.

        Raises BrokerError, within seconds where nobody answers."""
        if self._producer is None:
            self._producer = Producer(self._options)
        self._failed = True
        with self._measured(len(self._waiting) + self._producer.unacknowledged):
            self._make_topics()
            self._producer.open()
            while self._waiting:
                self._producer.send(self._waiting[0])
                self._waiting.popleft()
            self._producer.flush(deadline)
        self._failed = False

    def commit(self, place: Place) -> None:
        """Make what was written and `place` durable as one. Raises as `TransactionalProducer.commit`; what will not be
        taken at another try either is forgotten."""
        if self._transactions is None:
            self._transactions = TransactionalProducer(self._options, f"pengi-stream-{uuid4()}")
        began_s = self._clock.monotonic_s()
        try:
            with self._measured(len(self._waiting)):
                self._make_topics()
                self._transactions.commit(self._waiting, place)
        except BrokerError as error:
            if error.retry_after_s is None:
                self._waiting.clear()
            raise
        self._waiting.clear()
        if self._metrics is not None:
            self._metrics.commit_s.observe(self._clock.monotonic_s() - began_s)

    def close(self) -> None:
        """Let go of the connection and forget what was not acknowledged. Any number of times."""
        self._waiting.clear()
        for producer in (self._producer, self._transactions):
            if producer is not None:
                producer.close()
        self._failed = False

    def _make_topics(self) -> None:
        while self._creates:
            topic, config = next(iter(self._creates.items()))
            create_topic(self._options.servers, self._options.security, topic, config)
            del self._creates[topic]

    @contextmanager
    def _measured(self, records: int) -> Iterator[None]:
        began_s = self._clock.monotonic_s()
        try:
            yield
        except BrokerError:
            if self._metrics is not None:
                self._metrics.produce_errors.inc(records)
            raise
        if self._metrics is not None and records:
            self._metrics.produce_s.observe(self._clock.monotonic_s() - began_s)

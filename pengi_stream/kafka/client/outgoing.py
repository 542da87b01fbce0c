"""What sinks of Kafka share: records are kept until a flush has seen them acknowledged."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from pengi_stream.clock import Clock, Deadline
from pengi_stream.errors import BrokerError
from pengi_stream.kafka.client.admin import create_topic
from pengi_stream.kafka.client.producer import Producer, ProducerOptions, Record
from pengi_stream.kafka.config import TopicConfig
from pengi_stream.metrics import Metrics


class RecordQueue:
    """Takes records at once and sends them at the flush. One thread only.

    A flush that raised may be tried again; a `write` after it means that nobody will, so what it left is forgotten.
    """

    def __init__(
        self, options: ProducerOptions, creates: Mapping[str, TopicConfig], clock: Clock, metrics: Metrics
    ) -> None:
        self._topics = MissingTopics(options, creates)
        self._clock = clock
        self._metrics = metrics
        self._producer = Producer(options)
        self._waiting: deque[Record] = deque()
        self._failed = False

    def write(self, records: Sequence[Record]) -> None:
        """Take `records`; neither blocks nor raises."""
        if self._failed:
            self.close()
        self._waiting.extend(records)

    def flush(self, deadline: Deadline) -> None:
        """Return when all that was written is acknowledged; with nothing to send, when the topics can be written.

        Raises BrokerError, within seconds where nobody answers."""
        self._failed = True
        with timed(self._metrics, self._clock, len(self._waiting) + self._producer.unacknowledged):
            self._topics.make()
            self._producer.reach()
            while self._waiting:
                self._producer.send(self._waiting[0])
                self._waiting.popleft()
            self._producer.flush(deadline)
        self._failed = False

    def close(self) -> None:
        """Let go of the connection and forget what was not acknowledged. Any number of times."""
        self._waiting.clear()
        self._producer.close()
        self._failed = False


class MissingTopics:
    """Topics to make before the first record."""

    def __init__(self, options: ProducerOptions, creates: Mapping[str, TopicConfig]) -> None:
        self._options = options
        self._missing = dict(creates)

    def make(self) -> None:
        """Make those that are not there; once. Raises BrokerError."""
        while self._missing:
            topic, config = next(iter(self._missing.items()))
            create_topic(self._options.servers, self._options.security, topic, config)
            del self._missing[topic]


@contextmanager
def timed(metrics: Metrics, clock: Clock, records: int) -> Iterator[None]:
    """Count in `metrics` how long the acknowledgement of so many records takes, or that they got none."""
    began_s = clock.monotonic_s()
    try:
        yield
    except BrokerError:
        metrics.produce_errors.inc(records)
        raise
    if records:
        metrics.produce_s.observe(clock.monotonic_s() - began_s)

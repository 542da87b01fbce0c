"""What sinks share: records are kept until a flush has seen them acknowledged."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from pengi_stream.broker.admin import create_topic
from pengi_stream.broker.config import TopicConfig
from pengi_stream.broker.producer import Producer, ProducerOptions, Record
from pengi_stream.clock import Clock, Deadline
from pengi_stream.errors import BrokerError
from pengi_stream.metrics import Metrics


class Outbox:
    """Takes records at once and sends them at the flush. One thread only.

    A flush that raised may be tried again; a `write` after it means that nobody will, so what it left is forgotten.
    """

    def __init__(self, options: ProducerOptions, clock: Clock, creates: TopicConfig | None = None) -> None:
        self._options = options
        self._creates = creates
        self._clock = clock
        self._producer = Producer(options)
        self._waiting: deque[Record] = deque()
        self._failed = False
        self._metrics: Metrics | None = None

    def measure(self, metrics: Metrics) -> None:
        """Count in `metrics` how long acknowledgements take, and records that got none."""
        self._metrics = metrics

    def write(self, records: Sequence[Record]) -> None:
        """Take `records`; neither blocks nor raises."""
        if self._failed:
            self.close()
        self._waiting.extend(records)

    def flush(self, deadline: Deadline) -> None:
        """Return when all that was written is acknowledged; with nothing to send, when the topics can be written.

        Raises BrokerError, within seconds where nobody answers."""
        count = len(self._waiting) + self._producer.unacknowledged
        began_s = self._clock.monotonic_s()
        self._failed = True
        try:
            self._send()
            self._producer.flush(deadline)
        except BrokerError:
            if self._metrics is not None:
                self._metrics.produce_errors.inc(count)
            raise
        self._failed = False
        if self._metrics is not None and count:
            self._metrics.produce_s.observe(self._clock.monotonic_s() - began_s)

    def close(self) -> None:
        """Let go of the connection and forget what was not acknowledged. Any number of times."""
        self._waiting.clear()
        self._producer.close()
        self._failed = False

    def _send(self) -> None:
        if self._creates is not None:
            for topic in self._options.topics:
                create_topic(self._options.servers, self._options.security, topic, self._creates)
            self._creates = None
        self._producer.open()
        while self._waiting:
            self._producer.send(self._waiting[0])
            self._waiting.popleft()

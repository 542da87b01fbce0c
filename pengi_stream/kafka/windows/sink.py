"""Windows to a topic of Kafka, for workers elsewhere: one a record, keyed by stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import structlog

from pengi_stream.clock import Deadline, SystemClock
from pengi_stream.errors import BrokerError, SinkError
from pengi_stream.kafka.config import BootstrapServers, TopicConfig, TopicName
from pengi_stream.kafka.security import SecurityConfig
from pengi_stream.metrics import Metrics
from pengi_stream.plugins import WindowSinkConfig
from pengi_stream.types import WindowItem, WindowShape
from pengi_stream.wire.payload import Encoding
from pengi_stream.wire.windows import most_bytes, to_record

if TYPE_CHECKING:
    from pengi_stream.kafka.client.outgoing import Outbox

log = structlog.get_logger()


class WindowsSinkConfig(WindowSinkConfig):
    """Windows in a topic, keyed by stream: the sending end of a split deployment."""

    type: Literal["windows"]
    bootstrap_servers: BootstrapServers
    topic: TopicName
    encoding: Encoding = "flac"
    """flac: 24 bits, which give the texts of `run`; flac16 or l16 (PCM): 16 bits, exact for 16-bit sound of the model's
    rate; what was resampled is rounded, and some texts differ"""
    create_topic: TopicConfig | None = None
    """How to make the topic where it is missing; null: a missing topic is an error"""
    security: SecurityConfig = SecurityConfig()

    def build(self) -> WindowsSink:
        return WindowsSink(self)


class WindowsSink:
    """Writes windows to a topic. Before the first one it looks whether the topic takes records of that size."""

    def __init__(self, config: WindowsSinkConfig) -> None:
        self._config = config
        self._shape: WindowShape | None = None
        self._outbox: Outbox | None = None
        self._metrics: Metrics | None = None
        self._fits = False

    def measure(self, metrics: Metrics) -> None:
        """See `Measured`."""
        self._metrics = metrics

    def expect(self, shape: WindowShape) -> None:
        """See `WindowSink`."""
        self._shape = shape

    def write(self, items: Sequence[WindowItem]) -> None:
        from pengi_stream.kafka.client.producer import Record

        records = [to_record(item, self._config.encoding) for item in items]
        # Times are those of sending: windows of a file that begins in 1970 would be deleted at once.
        self._opened().write([Record(self._config.topic, each.key, each.value, each.headers) for each in records])

    def flush(self, deadline: Deadline) -> None:
        try:
            self._opened().flush(deadline)
            if not self._fits and self._shape is not None:
                self._check_size(self._shape)
        except BrokerError as error:
            raise SinkError(str(error), error.retry_after_s) from error

    def close(self) -> None:
        if self._outbox is not None:
            self._outbox.close()

    def _opened(self) -> Outbox:
        if self._outbox is None:
            from pengi_stream.kafka.client.outgoing import Outbox
            from pengi_stream.kafka.client.producer import ProducerOptions

            config = self._config
            options = ProducerOptions(config.bootstrap_servers, config.security, topics=(config.topic,))
            if self._shape is not None:
                options = replace(options, max_record_bytes=most_bytes(self._shape.samples, config.encoding))
            self._outbox = Outbox(
                options, SystemClock(), {config.topic: config.create_topic} if config.create_topic else {}
            )
            if self._metrics is not None:
                self._outbox.measure(self._metrics)
        return self._outbox

    def _check_size(self, shape: WindowShape) -> None:
        """Raises SinkError where the topic refuses a whole window; BrokerError."""
        from pengi_stream.kafka.client.admin import max_message_bytes

        config = self._config
        wanted = most_bytes(shape.samples, config.encoding)
        try:
            found = max_message_bytes(config.bootstrap_servers, config.security, [config.topic])[config.topic]
        except BrokerError as error:
            if error.retry_after_s is not None:
                raise
            log.warning("record_limit_unknown", topic=config.topic, wanted=wanted, reason=str(error))
            found = wanted
        if found < wanted:
            raise SinkError(
                f"topic {config.topic!r} takes records of {found} bytes (max.message.bytes), a window of "
                f"{shape.samples / shape.sample_rate:.3f} s at {shape.sample_rate} Hz needs {wanted}: raise the "
                f"topic's max.message.bytes to {wanted}"
            )
        self._fits = True

"""Windows to a topic of Kafka, for workers elsewhere: one a record, keyed by stream."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from pengi_stream.clock import Deadline
from pengi_stream.errors import BrokerError, ConfigError, SinkError
from pengi_stream.kafka.client.admin import max_message_bytes
from pengi_stream.kafka.client.outgoing import RecordQueue
from pengi_stream.kafka.client.producer import ProducerOptions, Record
from pengi_stream.kafka.windows.sink_config import WindowsSinkConfig
from pengi_stream.outcomes import WindowItem
from pengi_stream.protocols import Context, WindowSink
from pengi_stream.wire.windows import most_bytes, to_record

log = structlog.get_logger()


class WindowsSink(WindowSink):
    """Writes windows to a topic. Before the first one it looks whether the topic takes records of that size."""

    def __init__(self, config: WindowsSinkConfig, context: Context) -> None:
        if context.shape is None:
            raise ConfigError("a sink of windows needs the shape of the model's windows")
        self._config = config
        self._shape = context.shape
        self._most_bytes = most_bytes(context.shape.samples, config.encoding)
        options = ProducerOptions(
            config.bootstrap_servers, config.security, topics=(config.topic,), max_record_bytes=self._most_bytes
        )
        creates = {config.topic: config.create_topic} if config.create_topic else {}
        self._queue = RecordQueue(options, creates, context.clock, context.metrics)
        self._fits = False

    def write(self, items: Sequence[WindowItem]) -> None:
        records = [to_record(item, self._config.encoding) for item in items]
        # Times are those of sending: windows of a file that begins in 1970 would be deleted at once.
        self._queue.write([Record(self._config.topic, each.key, each.value, each.headers) for each in records])

    def flush(self, deadline: Deadline) -> None:
        try:
            self._queue.flush(deadline)
            if not self._fits:
                self._check_size()
        except BrokerError as error:
            raise SinkError(str(error), error.retry_after_s) from error

    def close(self) -> None:
        self._queue.close()

    def _check_size(self) -> None:
        """Raises SinkError where the topic refuses a whole window; BrokerError."""
        config, shape = self._config, self._shape
        try:
            found = max_message_bytes(config.bootstrap_servers, config.security, [config.topic])[config.topic]
        except BrokerError as error:
            if error.retry_after_s is not None:
                raise
            log.warning("record_limit_unknown", topic=config.topic, wanted=self._most_bytes, reason=str(error))
            found = self._most_bytes
        if found < self._most_bytes:
            raise SinkError(
                f"topic {config.topic!r} takes records of {found} bytes (max.message.bytes), a window of "
                f"{shape.samples / shape.sample_rate:.3f} s at {shape.sample_rate} Hz needs {self._most_bytes}: raise "
                f"the topic's max.message.bytes to {self._most_bytes}"
            )
        self._fits = True

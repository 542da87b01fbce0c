"""Events as CloudEvents to a topic of Kafka, one a record, keyed by stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pengi_stream.broker.config import BootstrapServers, Compression, TopicConfig, TopicName
from pengi_stream.broker.security import SecurityConfig
from pengi_stream.clock import Deadline, SystemClock
from pengi_stream.errors import BrokerError, SinkError
from pengi_stream.metrics import Metrics
from pengi_stream.plugins import SinkConfig
from pengi_stream.types import Event
from pengi_stream.wire import CONTENT_TYPE, event_to_json

if TYPE_CHECKING:
    from pengi_stream.broker.outbox import Outbox

HEADERS = (("content-type", CONTENT_TYPE.encode()),)


class KafkaSinkConfig(SinkConfig):
    """CloudEvents in a topic, keyed by stream; a flush ends when all replicas in sync have them."""

    type: Literal["kafka"]
    bootstrap_servers: BootstrapServers
    topic: TopicName
    compression: Compression = "zstd"
    create_topic: TopicConfig | None = None
    """How to make the topic where it is missing; null: a missing topic is an error"""
    security: SecurityConfig = SecurityConfig()

    def build(self) -> KafkaSink:
        from pengi_stream.broker.outbox import Outbox
        from pengi_stream.broker.producer import ProducerOptions

        options = ProducerOptions(
            self.bootstrap_servers, self.security, topics=(self.topic,), compression=self.compression
        )
        return KafkaSink(self.topic, Outbox(options, SystemClock(), self.create_topic))


class KafkaSink:
    """Writes events to a topic. What a failed flush left is sent by the next flush, and forgotten by the next write."""

    def __init__(self, topic: str, outbox: Outbox) -> None:
        self._topic = topic
        self._outbox = outbox

    def measure(self, metrics: Metrics) -> None:
        self._outbox.measure(metrics)

    def write(self, events: Sequence[Event]) -> None:
        from pengi_stream.broker.producer import Record

        self._outbox.write(
            [Record(self._topic, key_of(event.stream_id), event_to_json(event).encode(), HEADERS) for event in events]
        )

    def flush(self, deadline: Deadline) -> None:
        try:
            self._outbox.flush(deadline)
        except BrokerError as error:
            raise SinkError(str(error), error.retry_after_s) from error

    def close(self) -> None:
        self._outbox.close()


def key_of(stream_id: str) -> bytes:
    """The key of a stream's records. A stream that came from Kafka gets the bytes that its key had."""
    return stream_id.encode("utf-8", "surrogateescape")

"""Events as CloudEvents to a topic of Kafka, one a record, keyed by stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pengi_stream.clock import Deadline, SystemClock
from pengi_stream.errors import BrokerError, SinkError, StaleError
from pengi_stream.kafka.config import BootstrapServers, Compression, TopicConfig, TopicName
from pengi_stream.kafka.security import SecurityConfig
from pengi_stream.metrics import Metrics
from pengi_stream.plugins import SinkConfig
from pengi_stream.protocols import SourcePlace
from pengi_stream.types import Event
from pengi_stream.wire import CONTENT_TYPE, event_to_json

if TYPE_CHECKING:
    from pengi_stream.kafka.client.outgoing import Outbox

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
        from pengi_stream.kafka.client.outgoing import Outbox
        from pengi_stream.kafka.client.producer import ProducerOptions

        options = ProducerOptions(
            self.bootstrap_servers, self.security, topics=(self.topic,), compression=self.compression
        )
        creates = {self.topic: self.create_topic} if self.create_topic else {}
        return KafkaSink(self.topic, Outbox(options, SystemClock(), creates))


class KafkaSink:
    """Writes events to a topic. What a failed flush left is sent by the next flush, and forgotten by the next write."""

    def __init__(self, topic: str, outbox: Outbox) -> None:
        self._topic = topic
        self.outbox = outbox
        """Where dead letters may put their records, to be in the same transaction"""

    def measure(self, metrics: Metrics) -> None:
        self.outbox.measure(metrics)

    def write(self, events: Sequence[Event]) -> None:
        from pengi_stream.kafka.client.producer import Record

        self.outbox.write(
            [Record(self._topic, key_of(event.stream_id), event_to_json(event).encode(), HEADERS) for event in events]
        )

    def flush(self, deadline: Deadline) -> None:
        try:
            self.outbox.flush(deadline)
        except BrokerError as error:
            raise SinkError(str(error), error.retry_after_s) from error

    def commit(self, place: SourcePlace) -> None:
        from pengi_stream.kafka.client.transactions import Place, StaleGenerationError

        if not isinstance(place, Place):
            raise SinkError(f"found a place of type {type(place).__name__}, expected one of a Kafka source")
        try:
            self.outbox.commit(place)
        except StaleGenerationError as error:
            raise StaleError(str(error)) from error
        except BrokerError as error:
            raise SinkError(str(error), error.retry_after_s) from error

    def close(self) -> None:
        self.outbox.close()


def key_of(stream_id: str) -> bytes:
    """The key of a stream's records."""
    return stream_id.encode("utf-8", "surrogateescape")

"""Bad records in a topic of Kafka: original key, bytes and headers, and why each is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pengi_stream.clock import Deadline, SystemClock
from pengi_stream.errors import BrokerError, ConfigError, SinkError
from pengi_stream.kafka.config import BootstrapServers, Compression, TopicConfig, TopicName
from pengi_stream.kafka.security import SecurityConfig
from pengi_stream.metrics import Metrics
from pengi_stream.plugins import PluginConfig
from pengi_stream.protocols import TransactionalSink
from pengi_stream.types import BadRecord
from pengi_stream.wire.letter import letter_of, to_headers

if TYPE_CHECKING:
    from pengi_stream.kafka.client.outgoing import Outbox

LARGEST = 64 * 1024 * 1024  # a bad record may be as large as any that a cluster takes, and its headers grow


class KafkaDeadLettersConfig(PluginConfig):
    """What could not be processed, in a topic: original key, bytes and headers, and dlq.reason, dlq.topic and so on."""

    type: Literal["kafka"]
    bootstrap_servers: BootstrapServers | None = None
    """Default: the cluster of the pipeline's first Kafka source, with its `security`"""
    topic: TopicName
    compression: Compression = "zstd"
    create_topic: TopicConfig | None = None
    """How to make the topic where it is missing; null: a missing topic is an error"""
    max_record_bytes: int = Field(default=LARGEST, ge=1000)
    """Larger ones are refused, which ends the run; the topic's `max.message.bytes` has a word in it as well"""
    security: SecurityConfig = SecurityConfig()

    def build(self) -> KafkaDeadLetters:
        from pengi_stream.kafka.client.outgoing import Outbox
        from pengi_stream.kafka.client.producer import ProducerOptions

        if self.bootstrap_servers is None:
            raise ConfigError("dead_letters: `bootstrap_servers` is missing, and no Kafka source has any")
        options = ProducerOptions(
            self.bootstrap_servers,
            self.security,
            topics=(self.topic,),
            compression=self.compression,
            max_record_bytes=self.max_record_bytes,
        )
        creates = {self.topic: self.create_topic} if self.create_topic else {}
        return KafkaDeadLetters(self.topic, Outbox(options, SystemClock(), creates))


class KafkaDeadLetters:
    """Writes bad records to a topic."""

    def __init__(self, topic: str, outbox: Outbox) -> None:
        self._topic = topic
        self._outbox = outbox
        self._joined = False

    def measure(self, metrics: Metrics) -> None:
        self._outbox.measure(metrics)

    def write(self, record: BadRecord) -> None:
        from pengi_stream.kafka.client.producer import Record

        letter = letter_of(record)
        key = letter.stream_id.encode("utf-8", "surrogateescape") if letter.value is None else letter.key
        self._outbox.write([Record(self._topic, key, letter.value, to_headers(letter))])

    def join(self, sink: TransactionalSink) -> None:
        other = getattr(sink, "outbox", None)
        if other is None:
            raise ConfigError("dead letters in Kafka can be in one transaction with a Kafka sink only")
        other.absorb(self._outbox)
        self._outbox, self._joined = other, True

    def flush(self, deadline: Deadline) -> None:
        if self._joined:
            return
        try:
            self._outbox.flush(deadline)
        except BrokerError as error:
            raise SinkError(f"dead letters: {error}", error.retry_after_s) from error

    def close(self) -> None:
        if not self._joined:
            self._outbox.close()

"""Events as CloudEvents to a topic of Kafka, one a record, keyed by stream: the config; what runs is in `sink`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pengi_stream.kafka.config import BootstrapServers, Compression, TopicConfig, TopicName
from pengi_stream.kafka.security import SecurityConfig
from pengi_stream.plugins import SinkConfig
from pengi_stream.protocols import Context

if TYPE_CHECKING:
    from pengi_stream.kafka.sinks import KafkaSink


class KafkaSinkConfig(SinkConfig):
    """CloudEvents in a topic, keyed by stream; a flush ends when all replicas in sync have them."""

    type: Literal["kafka"]
    bootstrap_servers: BootstrapServers
    topic: TopicName
    compression: Compression = "zstd"
    create_topic: TopicConfig | None = None
    """How to make the topic where it is missing; null: a missing topic is an error"""
    security: SecurityConfig = SecurityConfig()

    def build(self, context: Context) -> KafkaSink:
        from pengi_stream.kafka.sinks import KafkaSink

        return KafkaSink(self, context)

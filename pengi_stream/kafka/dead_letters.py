"""Bad records in a topic of Kafka, with key, bytes and headers, and why: the config; what runs is in `sinks`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field

from pengi_stream.kafka.config import BootstrapServers, Compression, TopicConfig, TopicName
from pengi_stream.kafka.security import SecurityConfig
from pengi_stream.plugins import DeadLettersConfig, PipelineParts
from pengi_stream.protocols import Context

if TYPE_CHECKING:
    from pengi_stream.kafka.sinks import KafkaDeadLetters

LARGEST = 64 * 1024 * 1024  # a bad record may be as large as any that a cluster takes, and its headers grow
NO_SERVERS = "dead_letters: `bootstrap_servers` is missing, and no Kafka source has any"


class KafkaDeadLettersConfig(DeadLettersConfig):
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

    def build(self, context: Context) -> KafkaDeadLetters:
        from pengi_stream.kafka.sinks import KafkaDeadLetters

        return KafkaDeadLetters(self, context)

    def check(self, pipeline: PipelineParts) -> Iterable[str]:
        return () if self.completed(pipeline).bootstrap_servers else (NO_SERVERS,)

    def completed(self, pipeline: PipelineParts) -> Self:
        from pengi_stream.kafka.audio.config import KafkaSourceConfig
        from pengi_stream.kafka.windows.source_config import WindowsSourceConfig

        if self.bootstrap_servers is not None:
            return self
        for source in pipeline.sources:
            if isinstance(source, KafkaSourceConfig | WindowsSourceConfig):
                security = self.security if "security" in self.model_fields_set else source.security
                found = {"bootstrap_servers": source.bootstrap_servers, "security": security}
                return self.model_copy(update=found)
        return self

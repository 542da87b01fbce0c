"""Windows to a topic of Kafka, for workers elsewhere: the config; what runs is in `sink`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pengi_stream.kafka.config import BootstrapServers, TopicConfig, TopicName
from pengi_stream.kafka.security import SecurityConfig
from pengi_stream.plugins import WindowSinkConfig
from pengi_stream.protocols import Context
from pengi_stream.wire.payload import Encoding

if TYPE_CHECKING:
    from pengi_stream.kafka.windows.sink import WindowsSink


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

    def build(self, context: Context) -> WindowsSink:
        from pengi_stream.kafka.windows.sink import WindowsSink

        return WindowsSink(self, context)

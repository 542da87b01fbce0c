"""Windows from a topic of Kafka, as `ingest` sent them; what runs is in `source`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pengi_stream.kafka.config import BootstrapServers, TopicName
from pengi_stream.kafka.security import SecurityConfig
from pengi_stream.plugins import WindowSourceConfig
from pengi_stream.protocols import Context

if TYPE_CHECKING:
    from pengi_stream.kafka.windows.source import WindowsSource


class WindowsSourceConfig(WindowSourceConfig):
    """Windows from topics: the receiving end of a split deployment."""

    type: Literal["windows"]
    bootstrap_servers: BootstrapServers
    topics: tuple[TopicName, ...] = Field(min_length=1)
    group_id: str = Field(min_length=1)
    """Workers of one group share the partitions."""
    start: Literal["earliest", "latest", "committed"] = "earliest"
    """Where the group has committed nothing yet: earliest, latest, or committed (then it is an error)"""
    buffer_mb: float = Field(default=32, gt=0)
    """Records that wait to be read; beyond, fetching pauses"""
    commit_interval_s: float = Field(default=1, gt=0)
    session_timeout_s: float = Field(default=45, ge=1)
    """A worker that was killed is replaced after so long; its broker's limits apply."""
    max_poll_interval_s: float = Field(default=300, ge=1)
    give_up_after_s: float = Field(default=60, ge=0)
    """Without any broker for so long, the run ends."""
    state_topic: TopicName = "pengi-stream-state"
    """Compacted; made when what is known of a partition's streams is too large for an offset's metadata"""
    security: SecurityConfig = SecurityConfig()

    def build(self, context: Context) -> WindowsSource:
        from pengi_stream.kafka.windows.source import WindowsSource

        return WindowsSource(self, context)

"""What a consumer reads, and how patiently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

from pengi_stream.kafka.security import SecurityConfig

Start = Literal["earliest", "latest", "committed"] | int
"""Where to begin where the group has committed nothing; a number: UTC in milliseconds"""

LARGEST_FETCH = 64 << 20  # a single record may be larger still
MOST_RECONNECT_MS = 1_000
BOOTSTRAP_MS = 10_000
METADATA_MS = 60_000  # new partitions are found so soon
PATTERN_MS = 10_000  # new topics of a pattern


@dataclass(frozen=True, slots=True)
class ConsumerOptions:
    """What is read, by whom, and how patiently."""

    servers: Sequence[str]
    group_id: str
    topics: Sequence[str] = ()
    pattern: str | None = None
    """Regular expression, instead of topics"""
    security: SecurityConfig = field(default_factory=SecurityConfig)
    start: Start = "earliest"
    state_topic: str = "pengi-stream-state"
    buffer_bytes: int = 32 << 20
    """Records that wait to be read; fetches stop beyond, polls don't"""
    commit_interval_s: float = 1.0
    session_timeout_s: float = 45.0
    max_poll_interval_s: float = 300.0
    give_up_after_s: float = 60.0
    """Without any broker, or one of the topics, for so long, the run ends"""

    def library_options(self) -> dict[str, Any]:
        """Keyword arguments of KafkaConsumer."""
        return {
            "bootstrap_servers": list(self.servers),
            "group_id": self.group_id,
            "enable_auto_commit": False,
            "auto_offset_reset": "none",
            "isolation_level": "read_committed",
            "allow_auto_create_topics": False,
            "partition_assignment_strategy": (CooperativeStickyAssignor,),
            "metadata_max_age_ms": METADATA_MS if self.pattern is None else PATTERN_MS,
            "session_timeout_ms": round(self.session_timeout_s * 1000),
            "heartbeat_interval_ms": round(min(3.0, self.session_timeout_s / 3) * 1000),
            "max_poll_interval_ms": round(self.max_poll_interval_s * 1000),
            "max_partition_fetch_bytes": min(LARGEST_FETCH, max(1 << 20, self.buffer_bytes // 8)),
            "bootstrap_timeout_ms": BOOTSTRAP_MS,
            "reconnect_backoff_max_ms": MOST_RECONNECT_MS,
            **self.security.client_options(),
        }

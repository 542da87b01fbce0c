"""Topics: made where wanted, and how large a record they take."""

from __future__ import annotations

from collections.abc import Sequence

from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import TopicAlreadyExistsError

from pengi_stream.clock import Deadline
from pengi_stream.kafka.client.connect import admin_client, knock
from pengi_stream.kafka.config import TopicConfig
from pengi_stream.kafka.security import SecurityConfig

MAX_MESSAGE_BYTES = "max.message.bytes"
ADMIN_S = 10.0


def create_topic(servers: Sequence[str], security: SecurityConfig, name: str, config: TopicConfig) -> bool:
    """Make the topic `name` unless it is there; whether it was made. Raises BrokerError."""
    wanted = {
        "num_partitions": config.partitions,
        "replication_factor": config.replication_factor,
        "configs": dict(config.configs),
    }
    reachable = knock(servers, security, Deadline(ADMIN_S))
    with admin_client(list(reachable), security, timeout_s=ADMIN_S) as admin:
        try:
            admin.create_topics({name: wanted}, wait_for_metadata=True)
        except TopicAlreadyExistsError:
            return False
    return True


def max_message_bytes(servers: Sequence[str], security: SecurityConfig, topics: Sequence[str]) -> dict[str, int]:
    """The largest record batch that each of `topics` takes. Raises BrokerError, also where asking is not allowed."""
    reachable = knock(servers, security, Deadline(ADMIN_S))
    with admin_client(list(reachable), security, timeout_s=ADMIN_S) as admin:
        resources = [ConfigResource(ConfigResourceType.TOPIC, topic, [MAX_MESSAGE_BYTES]) for topic in topics]
        found = admin.describe_configs(resources, config_filter="all")["topic"]
    return {topic: int(found[topic][MAX_MESSAGE_BYTES]["value"]) for topic in topics}

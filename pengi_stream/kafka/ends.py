"""The ends of a pipeline that are in Kafka: whether they can share transactions. Imports nothing of kafka-python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pengi_stream.errors import ConfigError
from pengi_stream.kafka.config import MAX_RECORD_BYTES, BootstrapServers, Compression, TopicConfig
from pengi_stream.kafka.dead_letters import KafkaDeadLettersConfig
from pengi_stream.kafka.events import KafkaSinkConfig
from pengi_stream.kafka.security import SecurityConfig
from pengi_stream.plugins import DeadLettersConfig, PipelineParts, PluginConfig, SinkConfig


@dataclass(frozen=True, slots=True)
class Ends:
    """What a transaction writes to: one cluster, as one user."""

    servers: BootstrapServers
    security: SecurityConfig
    topics: Sequence[str]
    compression: Compression
    creates: Mapping[str, TopicConfig]
    """Topics to make where they are missing"""
    max_record_bytes: int


def ends_of(sinks: Sequence[SinkConfig], dead_letters: DeadLettersConfig | None) -> Ends:
    """What required `sinks` and `dead_letters` write to. Raises ConfigError where one transaction cannot hold it."""
    ends: list[KafkaSinkConfig | KafkaDeadLettersConfig] = []
    for end in (*sinks, *([dead_letters] if dead_letters else [])):
        if not isinstance(end, KafkaSinkConfig | KafkaDeadLettersConfig):
            raise ConfigError(f"exactly_once takes Kafka sinks and dead letters; found one of type {end.type!r}")
        ends.append(end)
    if not ends:
        raise ConfigError("exactly_once takes a Kafka sink that is required; found none")
    if any((_cluster(end), end.security) != (_cluster(ends[0]), ends[0].security) for end in ends):
        found = " and ".join(f"{','.join(end.bootstrap_servers or ())} for {end.topic!r}" for end in ends)
        raise ConfigError(f"one transaction has one cluster and one user; found {found}")
    return Ends(
        ends[0].bootstrap_servers or (),
        ends[0].security,
        list(dict.fromkeys(end.topic for end in ends)),
        ends[0].compression,
        {end.topic: end.create_topic for end in ends if end.create_topic},
        max(getattr(end, "max_record_bytes", MAX_RECORD_BYTES) for end in ends),
    )


def trouble_with_ends(pipeline: PipelineParts) -> str:
    """What stands in the way of exactly_once, in one line; empty: nothing."""
    letters = [pipeline.dead_letters] if pipeline.dead_letters else []
    required = [sink for sink in pipeline.sinks if sink.required]
    ends: list[PluginConfig] = [*pipeline.sources, *required, *letters]
    if other := {end.type for end in ends} - {"kafka"}:
        return (
            "exactly_once needs a Kafka source, and Kafka sinks and dead letters wherever they are required; "
            f"found {', '.join(sorted(other))}"
        )
    if len(pipeline.sources) != 1 or len(required) != 1:
        return (
            "exactly_once needs one source and one sink that is required (others can have `required: false`); "
            f"found {len(pipeline.sources)} and {len(required)}"
        )
    if len({_cluster(end) for end in ends}) > 1:
        found = "; ".join(",".join(_cluster(end)) for end in ends)
        return f"exactly_once needs one cluster, named by the same bootstrap_servers; found {found}"
    if letters and _security(letters[0]) != _security(required[0]):
        return "exactly_once needs one user for sink and dead letters; found another `security` in dead_letters"
    return ""


def _cluster(end: PluginConfig) -> tuple[str, ...]:
    return tuple(sorted(getattr(end, "bootstrap_servers", None) or ()))


def _security(end: PluginConfig) -> object:
    return getattr(end, "security", None)

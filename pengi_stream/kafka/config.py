"""What a pipeline file says of clusters and topics. Imports nothing of kafka-python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from pengi_stream.plugins import FrozenModel

Compression = Literal["zstd", "lz4", "gzip", "none"]
CLUSTER_DEFAULT = -1
MAX_RECORD_BYTES = 1_000_000
"""Larger records are refused, unless a config says otherwise"""


def split_address(server: str) -> tuple[str, int]:
    """Host and port of `host:port` or `[::1]:port`. Raises ValueError."""
    host, colon, port = server.rpartition(":")
    foreign = "@" in server or "/" in server
    if foreign or not (colon and host and port.isdigit() and 0 < int(port) < 65_536):
        found = "a URL, or an address with a user in it" if foreign else repr(server)
        raise ValueError(f"found {found}, expected host:port, such as 127.0.0.1:9092")
    return host.strip("[]"), int(port)


def _split_servers(found: object) -> object:
    return tuple(server.strip() for server in found.split(",")) if isinstance(found, str) else found


def _check_servers(servers: tuple[str, ...]) -> tuple[str, ...]:
    for server in servers:
        split_address(server)
    return servers


BootstrapServers = Annotated[
    tuple[str, ...], Field(min_length=1), AfterValidator(_check_servers), BeforeValidator(_split_servers)
]
"""A list of `host:port`, or one string of them with commas; clients learn of the other brokers from these"""

TopicName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$")]


class TopicConfig(FrozenModel):
    """How a topic is made that does not exist yet."""

    partitions: int = Field(default=CLUSTER_DEFAULT, ge=-1)
    """-1: as many as the cluster's default"""
    replication_factor: int = Field(default=CLUSTER_DEFAULT, ge=-1)
    """-1: the cluster's default"""
    configs: Mapping[str, str] = {}
    """Kafka's settings of a topic, such as `retention.ms`"""

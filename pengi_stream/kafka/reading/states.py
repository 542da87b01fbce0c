"""States of partitions that are too large for the metadata of an offset: in a compacted topic."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import structlog

from pengi_stream.clock import Deadline
from pengi_stream.kafka.client.admin import create_topic
from pengi_stream.kafka.client.producer import Producer, ProducerOptions, Record
from pengi_stream.kafka.client.reader import read_topic
from pengi_stream.kafka.config import TopicConfig
from pengi_stream.kafka.security import SecurityConfig

log = structlog.get_logger()

MOST_BYTES = 4096  # that a broker keeps with an offset, unless told otherwise
KEPT = "pengi-stream/kept:{slot}:{checksum}"
REFERENCE = re.compile(r"pengi-stream/kept:([01]):([0-9a-f]{8})")
WRITE_S = 10.0
MOST_RECORD_BYTES = 900_000
TOPIC = TopicConfig(
    partitions=1,
    configs={"cleanup.policy": "compact", "segment.bytes": str(16 << 20), "min.cleanable.dirty.ratio": "0.1"},
)


class StateTopic:
    """Keeps two states of each partition, so that the one that was committed stays until the next one is."""

    def __init__(self, servers: Sequence[str], security: SecurityConfig, topic: str, group_id: str) -> None:
        self._servers = servers
        self._security = security
        self._topic = topic
        self._group_id = group_id
        self._slots: dict[str, int] = {}
        self._producer: Producer | None = None
        self.exists = False
        """Whether records may be sent to it"""

    def make(self) -> None:
        """Make the topic where it is missing. Raises BrokerError."""
        if create_topic(self._servers, self._security, self._topic, TOPIC):
            log.info("state_topic_made", topic=self._topic)
        self.exists = True

    def record(self, partition: str, text: str) -> tuple[str, Record]:
        """What goes into the offset's metadata instead of `text`, and the record that must be durable before."""
        slot = 1 - self._slots.get(partition, 1)
        reference = KEPT.format(slot=slot, checksum=_checksum(text))
        return reference, Record(self._topic, self._key(partition, slot), text.encode())

    def committed(self, partition: str, metadata: str) -> None:
        """The offset with `metadata` is committed: the other slot is free."""
        if reference := REFERENCE.fullmatch(metadata):
            self._slots[partition] = int(reference[1])

    def write(self, records: Sequence[Record]) -> None:
        """Return when `records` are durable. Raises BrokerError."""
        if not records:
            return
        if not self.exists:
            self.make()
        if self._producer is None:
            options = ProducerOptions(
                self._servers, self._security, (self._topic,), compression="zstd", max_record_bytes=MOST_RECORD_BYTES
            )
            self._producer = Producer(options)
        for record in records:
            self._producer.send(record)
        self._producer.flush(Deadline(WRITE_S))

    def read(self, partition: str, metadata: str) -> str:
        """The text that `metadata` stands for. Raises BrokerError."""
        reference = REFERENCE.fullmatch(metadata)
        if reference is None:
            return metadata
        self.committed(partition, metadata)
        key, found = self._key(partition, int(reference[1])), ""
        for record in read_topic(self._servers, self._security, self._topic):
            if record.key == key and record.value is not None and _checksum(record.value.decode()) == reference[2]:
                found = record.value.decode()
        if not found:
            log.error("state_missing", partition=partition, topic=self._topic)
        return found

    def close(self) -> None:
        """Let go of the connection."""
        if self._producer is not None:
            self._producer.close()

    def _key(self, partition: str, slot: int) -> bytes:
        return f"{self._group_id}|{partition}|{slot}".encode()


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"

"""The compacted topic that keeps the streams of partitions whose offset has no room for them: a record a stream."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import uuid4

import structlog

from pengi_stream.clock import Deadline
from pengi_stream.errors import BrokerError
from pengi_stream.kafka.client.admin import create_topic
from pengi_stream.kafka.client.connect import NoTopicError
from pengi_stream.kafka.client.producer import Producer, ProducerOptions, Record
from pengi_stream.kafka.client.reader import read_topic
from pengi_stream.kafka.config import TopicConfig
from pengi_stream.kafka.reading.kept import Kept, StateError, pack, read_text, unpack
from pengi_stream.kafka.reading.ledger import Ledger, SlotKey, SlotRecord, restored
from pengi_stream.kafka.security import SecurityConfig

log = structlog.get_logger()

WRITE_S = 10.0
TOPIC = TopicConfig(
    partitions=1,
    configs={"cleanup.policy": "compact", "segment.bytes": str(16 << 20), "min.cleanable.dirty.ratio": "0.1"},
)

Found = Mapping[SlotKey, bytes]


class StateTopic:
    """Keeps what belongs to the offsets of one group. Polling thread only, but for `records` and `make`."""

    def __init__(self, servers: Sequence[str], security: SecurityConfig, topic: str, group_id: str) -> None:
        self._servers = servers
        self._security = security
        self._topic = topic
        self._group_id = group_id
        self._producer = Producer(ProducerOptions(servers, security, (topic,), compression="zstd"))
        self._exists = False

    def make(self) -> None:
        """Make the topic where it is missing. Raises BrokerError."""
        if not self._exists:
            if create_topic(self._servers, self._security, self._topic, TOPIC):
                log.info("state_topic_made", topic=self._topic)
            self._exists = True

    def records(self, lane: str, slots: Iterable[SlotRecord]) -> list[Record]:
        """`slots` of a partition, as the topic has them."""
        return [Record(self._topic, self._key(lane, slot.key), slot.value) for slot in slots]

    def write(self, records: Sequence[Record]) -> None:
        """Return when `records` are durable. Raises BrokerError."""
        if records:
            self.make()
            for record in records:
                self._producer.send(record)
            self._producer.flush(Deadline(WRITE_S))

    def open(self, metadata: Mapping[str, str]) -> dict[str, tuple[Kept, Ledger]]:
        """What was kept of each partition whose offset has this metadata, and where we go on to keep it.

        Raises BrokerError."""
        opened, references = {}, {}
        for lane, text in metadata.items():
            try:
                found = read_text(text)
            except StateError as error:
                log.warning("state_unreadable", partition=lane, reason=str(error))
                found = Kept()
            if isinstance(found, Kept):
                opened[lane] = found, self.new_ledger()
            else:
                references[lane] = found
        kept = self._read(references.keys()) if references else {}
        for lane, reference in references.items():
            records = kept.get(lane, {})
            try:
                opened[lane] = restored(reference, records), self.new_ledger(records)
            except StateError as error:
                log.error("state_missing", partition=lane, topic=self._topic, reason=str(error))
                opened[lane] = Kept(), self.new_ledger(records)
        return opened

    def close(self) -> None:
        """Let go of the connection."""
        self._producer.close()

    def _read(self, lanes: Collection[str]) -> dict[str, dict[SlotKey, bytes]]:
        kept: dict[str, dict[SlotKey, bytes]] = {}
        try:
            for record in read_topic(self._servers, self._security, self._topic):
                group, lane, *place = unpack(record.key or b"")
                if group != self._group_id or lane not in lanes:
                    continue
                key = SlotKey(*place)
                if record.value is None:
                    kept.setdefault(lane, {}).pop(key, None)
                else:
                    kept.setdefault(lane, {})[key] = record.value
        except NoTopicError as error:
            log.error("state_topic_missing", topic=self._topic, reason=str(error))
        except (StateError, ValueError, TypeError) as error:
            raise BrokerError(f"topic {self._topic!r} holds what is no state of ours: {error}") from error
        return kept

    @staticmethod
    def new_ledger(strangers: Iterable[SlotKey] = ()) -> Ledger:
        """For a partition of which nothing is kept, but perhaps records of `strangers`."""
        return Ledger(uuid4().hex[:12], strangers)

    def _key(self, lane: str, key: SlotKey) -> bytes:
        return pack([self._group_id, lane, key.token, key.stream, key.slot])

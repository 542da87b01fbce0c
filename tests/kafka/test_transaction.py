"""Events, dead letters and the place of their source are durable as one; each part looks whether it can take part."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kafka_cluster import Kafka, free_ports, wait_for
from kafka_parts import AtOnce
from kafka_worker import AUDIO, Sent, not_committed, send
from some_events import source_event

from pengi_stream.clock import Deadline
from pengi_stream.errors import ConfigError, SinkError
from pengi_stream.kafka.audio.config import KafkaSourceConfig
from pengi_stream.kafka.audio.source import KafkaSource
from pengi_stream.kafka.client.reader import read_topic
from pengi_stream.kafka.dead_letters import KafkaDeadLettersConfig
from pengi_stream.kafka.events import KafkaSinkConfig
from pengi_stream.kafka.security import SecurityConfig
from pengi_stream.kafka.transaction import KafkaTransaction
from pengi_stream.protocols import Transaction
from pengi_stream.testing import context
from pengi_stream.types import BadRecord, CommitPosition, SourceItem, Stream

SECOND = b"\x01\x00" * 11_025


class Ends:
    """A source, and what shares its transactions."""

    def __init__(self, kafka: Kafka) -> None:
        self.audio, self.events, self.dead = kafka.new_topic(), kafka.new_topic(), f"dead-{free_ports(1)[0]}"
        where = {"type": "kafka", "bootstrap_servers": kafka.servers}
        source = KafkaSourceConfig.model_validate(
            {**where, "topics": [self.audio], "group_id": self.audio, "audio": AUDIO, "session_timeout_s": 6}
        )
        sink = KafkaSinkConfig.model_validate({**where, "topic": self.events})
        letters = KafkaDeadLettersConfig.model_validate(
            {**where, "topic": self.dead, "create_topic": {"partitions": 1}}
        )
        self.progress = AtOnce()
        self.source: KafkaSource = source.build(context(progress=self.progress, transactional=True))
        self.transaction: KafkaTransaction = source.build_transaction(context(), self.source, [sink], letters)
        self.sink = sink.build(context(transaction=self.transaction))
        self.letters = letters.build(context(transaction=self.transaction))
        self.items: list[SourceItem] = []
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self) -> None:
        for item in self.source.frames():
            self.items.append(item)
            self.progress.take(item)


@contextmanager
def ends(kafka: Kafka) -> Iterator[Ends]:
    found = Ends(kafka)
    try:
        yield found
    finally:
        found.source.close()
        found.thread.join(10)
        found.source.finish(Deadline(10))
        found.letters.close()
        found.sink.close()


def count(kafka: Kafka, topic: str) -> int:
    return len(list(read_topic(kafka.servers, SecurityConfig(), topic)))


def test_nothing_is_visible_before_the_commit_and_all_is_after_it(kafka: Kafka) -> None:
    with ends(kafka) as parts:
        parts.sink.flush(Deadline(20))
        parts.letters.flush(Deadline(20))
        send(kafka, parts.audio, [Sent(b"a", SECOND, 1_790_000_000_000)])
        wait_for(lambda: parts.items, "the frame")
        assert list(parts.transaction.begin(parts.progress.positions())) == [f"{parts.audio}/0"]
        parts.sink.write([source_event(), source_event()])
        parts.letters.write([BadRecord(Stream("a"), "is no audio", value=b"x")])
        parts.sink.flush(Deadline(20))
        assert (count(kafka, parts.events), count(kafka, parts.dead)) == (0, 0)
        assert not_committed(kafka, parts.audio, parts.audio) == 1
        parts.transaction.commit()
        assert (count(kafka, parts.events), count(kafka, parts.dead)) == (2, 1)
        assert not_committed(kafka, parts.audio, parts.audio) == 0
    assert not_committed(kafka, parts.audio, parts.audio) == 0


def test_what_is_not_ours_has_no_place_in_a_transaction(kafka: Kafka) -> None:
    with ends(kafka) as parts:
        wait_for(lambda: parts.source.status().state == "running", "a running source")
        assert not parts.transaction.begin([CommitPosition("another/0", 7, 1)])
        with pytest.raises(SinkError, match="without a place"):
            parts.transaction.commit()


class Another(Transaction):
    def begin(self, positions: object) -> list[str]:
        return []

    def commit(self) -> None:
        """Nothing to do."""


def test_a_transaction_that_is_not_of_kafka_is_refused() -> None:
    where = {"type": "kafka", "bootstrap_servers": "127.0.0.1:9092", "topic": "events"}
    for config in (KafkaSinkConfig.model_validate(where), KafkaDeadLettersConfig.model_validate(where)):
        with pytest.raises(ConfigError, match="cannot take part in a Another"):
            config.build(context(transaction=Another()))

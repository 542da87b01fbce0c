from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata
from kafka_cluster import Kafka, wait_for

from pengi_stream.errors import BrokerError
from pengi_stream.kafka.client.producer import ProducerOptions, Record
from pengi_stream.kafka.client.reader import read_topic
from pengi_stream.kafka.client.transactions import TIMEOUT_MS, Place, StalePlaceError, TransactionalProducer
from pengi_stream.kafka.reading.assignment import finish_join
from pengi_stream.kafka.security import SecurityConfig

BROKER_LOOKS_EVERY_S = 10  # transaction.abort.timed.out.transaction.cleanup.interval.ms


@pytest.fixture
def topics(kafka: Kafka) -> tuple[str, str]:
    """One to read from, one to write to."""
    return kafka.new_topic(), kafka.new_topic()


@pytest.fixture
def member(kafka: Kafka, topics: tuple[str, str]) -> Iterator[KafkaConsumer]:
    """A member of a group that has the topic's only partition."""
    with_group = joined(kafka, topics[0])
    yield with_group
    with_group.close()


def joined(kafka: Kafka, topic: str) -> KafkaConsumer:
    consumer = KafkaConsumer(
        topic, bootstrap_servers=kafka.servers, group_id=f"group-{topic}", session_timeout_ms=6000,
        enable_auto_commit=False,
    )  # fmt: skip
    wait_for(lambda: has_joined(consumer), "an assignment")
    return consumer


def has_joined(consumer: KafkaConsumer) -> bool:
    consumer.poll(100)
    finish_join(consumer)
    return bool(consumer.assignment())


@pytest.fixture
def producer(kafka: Kafka, topics: tuple[str, str]) -> Iterator[TransactionalProducer]:
    made = TransactionalProducer(ProducerOptions(kafka.servers, topics=[topics[1]]), f"worker-{topics[1]}")
    yield made
    made.close()


def place(topics: tuple[str, str], group: ConsumerGroupMetadata, offset: int) -> Place:
    return Place({TopicPartition(topics[0], 0): OffsetAndMetadata(offset, f"state {offset}", -1)}, group)


def records(topics: tuple[str, str], *values: bytes) -> list[Record]:
    return [Record(topics[1], b"door", value) for value in values]


def committed(kafka: Kafka, topics: tuple[str, str]) -> tuple[int, str]:
    admin = KafkaAdminClient(bootstrap_servers=kafka.servers)
    found = admin.list_group_offsets(f"group-{topics[0]}")[f"group-{topics[0]}"][TopicPartition(topics[0], 0)]
    admin.close()
    return found.offset, found.metadata


def values(kafka: Kafka, topic: str) -> list[bytes | None]:
    return [record.value for record in read_topic(kafka.servers, SecurityConfig(), topic)]


def test_records_offsets_and_state_become_visible_together(
    kafka: Kafka, topics: tuple[str, str], member: KafkaConsumer, producer: TransactionalProducer
) -> None:
    producer.commit(records(topics, b"a", b"b"), place(topics, member.group_metadata(), 7))
    producer.commit(records(topics), place(topics, member.group_metadata(), 8))
    assert values(kafka, topics[1]) == [b"a", b"b"]
    assert committed(kafka, topics) == (8, "state 8")


def test_a_worker_that_lost_its_partitions_writes_nothing(
    kafka: Kafka, topics: tuple[str, str], member: KafkaConsumer, producer: TransactionalProducer
) -> None:
    kafka.needs("fencing of members")
    before = member.group_metadata()
    member.close()
    other = joined(kafka, topics[0])
    with pytest.raises(StalePlaceError):
        producer.commit(records(topics, b"stale"), place(topics, before, 7))
    producer.commit(records(topics, b"fresh"), place(topics, other.group_metadata(), 9))
    other.close()
    assert values(kafka, topics[1]) == [b"fresh"]
    assert committed(kafka, topics) == (9, "state 9")


def test_a_worker_that_comes_back_ends_what_it_left_open(kafka: Kafka, topics: tuple[str, str]) -> None:
    """A reader waits for an open transaction, so it must not stay open."""
    member, options = joined(kafka, topics[0]), ProducerOptions(kafka.servers, topics=[topics[1]])
    killed, again = (TransactionalProducer(options, f"worker-{topics[1]}") for _ in range(2))
    library = killed._opened()
    library.begin_transaction()
    library.send(topics[1], b"half", b"door").get(10)
    again.commit(records(topics, b"whole"), place(topics, member.group_metadata(), 7))
    assert values(kafka, topics[1]) == [b"whole"]
    for part in (again, killed, member):
        part.close()


def test_a_record_that_nobody_takes_ends_the_transaction_and_is_named(
    kafka: Kafka, topics: tuple[str, str], member: KafkaConsumer, producer: TransactionalProducer
) -> None:
    with pytest.raises(BrokerError, match="a record of 2000004 bytes is too large") as caught:
        producer.commit(records(topics, b"a", bytes(2_000_000)), place(topics, member.group_metadata(), 7))
    assert caught.value.retry_after_s is None
    producer.commit(records(topics, b"b"), place(topics, member.group_metadata(), 8))
    assert values(kafka, topics[1]) == [b"b"]


@pytest.mark.slow
def test_a_broker_that_is_killed_and_comes_back_leaves_each_record_once(
    kafka: Kafka, topics: tuple[str, str], member: KafkaConsumer, producer: TransactionalProducer
) -> None:
    producer.commit(records(topics, b"0"), place(topics, member.group_metadata(), 1))
    kafka.kill()
    pending = records(topics, b"1"), place(topics, member.group_metadata(), 2)
    with pytest.raises(BrokerError, match="connection refused") as away:
        producer.commit(*pending)
    assert away.value.retry_after_s is not None
    back = threading.Thread(target=kafka.restart)
    back.start()
    wait_for(lambda: done(producer, pending), "a commit after the broker was back", 60)
    back.join()
    assert values(kafka, topics[1]) == [b"0", b"1"]
    assert committed(kafka, topics) == (2, "state 2")


KILLED = """
import sys, threading
from pengi_stream.kafka.client.producer import ProducerOptions
from pengi_stream.kafka.client.transactions import TransactionalProducer
producer = TransactionalProducer(ProducerOptions([sys.argv[1]], topics=[sys.argv[2]]), "killed-" + sys.argv[2])
library = producer._opened()
library.begin_transaction()
library.send(sys.argv[2], b"half", b"door").get(10)
print("open", flush=True)
threading.Event().wait()
"""


@pytest.mark.slow
def test_a_worker_that_is_killed_inside_a_transaction_holds_readers_up_for_seconds_only(
    kafka: Kafka, topics: tuple[str, str], member: KafkaConsumer, producer: TransactionalProducer
) -> None:
    kafka.needs("time-out of transactions")
    command = [sys.executable, "-c", KILLED, kafka.servers[0], topics[1]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as killed:
        assert killed.stdout is not None
        try:
            assert b"open\n" in iter(killed.stdout.readline, b"")
        finally:
            killed.kill()
    producer.commit(records(topics, b"whole"), place(topics, member.group_metadata(), 7))
    reader = KafkaConsumer(
        topics[1], bootstrap_servers=kafka.servers, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    found: list[bytes] = []

    def read() -> bool:
        found.extend(record.value for some in reader.poll(200).values() for record in some)
        return bool(found)

    wait_for(read, "a committed record behind an open transaction", TIMEOUT_MS / 1000 + BROKER_LOOKS_EVERY_S + 5)
    reader.close()
    assert found == [b"whole"]


def done(producer: TransactionalProducer, pending: tuple[list[Record], Place]) -> bool:
    try:
        producer.commit(*pending)
    except BrokerError as error:
        if error.retry_after_s is None:
            raise
        return False
    return True

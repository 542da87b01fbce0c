"""All that a topic holds now, for a look at it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from pengi_stream.clock import Deadline
from pengi_stream.errors import BrokerError
from pengi_stream.kafka.client.connect import broker_error, connect
from pengi_stream.kafka.client.producer import Record
from pengi_stream.kafka.security import SecurityConfig

POLL_MS = 500
STUCK_S = 30.0
LARGEST_FETCH = 100_000_000


def read_topic(servers: Sequence[str], security: SecurityConfig, topic: str) -> Iterator[Record]:
    """The committed records of `topic` from its beginning to what is its end now, partition by partition.

    Joins no group and commits nothing. Raises BrokerError.
    """
    connect(servers, security, reads=[topic])
    try:
        consumer = KafkaConsumer(
            bootstrap_servers=list(servers),
            isolation_level="read_committed",
            max_partition_fetch_bytes=LARGEST_FETCH,
            **security.client_options(),
        )
        try:
            for partition in sorted(consumer.partitions_for_topic(topic) or ()):
                yield from _read_partition(consumer, TopicPartition(topic, partition))
        finally:
            consumer.close()
    except KafkaError as error:
        raise broker_error(servers, error) from error


def _read_partition(consumer: KafkaConsumer, place: TopicPartition) -> Iterator[Record]:
    end = consumer.end_offsets([place])[place]
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    patience = Deadline(STUCK_S)
    while (at := consumer.position(place)) < end:
        for found in consumer.poll(POLL_MS).get(place, ()):
            patience = Deadline(STUCK_S)
            yield Record(place.topic, found.key, found.value, tuple(found.headers), found.timestamp)
        if patience.expired:
            raise BrokerError(f"topic {place.topic!r}: no record after offset {at} for {STUCK_S} s", retry_after_s=1.0)

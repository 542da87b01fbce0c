"""Talks to a broker as somebody who knows nothing of us would: audio in, events out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from support import tone

RATE = 44_100
FETCH_MS = 1_000


def send_audio(servers: Sequence[str], topic: str, seconds: float, stream: str = "kitchen", **options: Any) -> None:
    """A stream of 16-bit mono PCM, half a second a record, and its end."""
    sound = (tone(seconds, RATE) * 32_767).astype("<i2").tobytes()
    producer = KafkaProducer(bootstrap_servers=list(servers), **options)
    for start in range(0, len(sound), RATE):
        producer.send(topic, key=stream.encode(), value=sound[start : start + RATE])
    producer.send(topic, key=stream.encode(), value=None)
    producer.flush()
    producer.close()


def records_in(servers: Sequence[str], topic: str, **options: Any) -> list[tuple[bytes, bytes | None]]:
    """Keys and values of all committed records, in order within each partition."""
    consumer = KafkaConsumer(bootstrap_servers=list(servers), isolation_level="read_committed", **options)
    found: list[tuple[bytes, bytes | None]] = []
    try:
        places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        ends = consumer.end_offsets(places)
        while any(consumer.position(place) < ends[place] for place in places):
            for records in consumer.poll(FETCH_MS).values():
                found += [(record.key, record.value) for record in records]
        return found
    finally:
        consumer.close()


def texts_in(servers: Sequence[str], topic: str, **options: Any) -> list[dict[str, Any]]:
    """The text events of a topic."""
    events = [json.loads(value or b"{}") for _, value in records_in(servers, topic, **options)]
    return [event for event in events if event["type"] == "pengi_stream.text"]

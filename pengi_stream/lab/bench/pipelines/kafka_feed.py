"""Puts the audio of many streams into a topic, for a benchmark to read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pengi_stream.clock import Deadline, SystemClock
from pengi_stream.kafka.client.admin import create_topic
from pengi_stream.kafka.client.producer import Producer, ProducerOptions, Record
from pengi_stream.kafka.config import TopicConfig
from pengi_stream.kafka.security import SecurityConfig

RATE = 44_100  # Hertz
RECORD_BYTES = 65_536
SHORT_LIVED = {"retention.ms": "1200000", "segment.bytes": "100000000"}
FLUSH_RECORDS = 500
FLUSH_S = 60.0


@dataclass(frozen=True, slots=True)
class Feed:
    """So many streams of 44.1 kHz, 16 bits, mono, in records of 64 KB."""

    servers: tuple[str, ...]
    topic: str
    streams: int
    records: int
    """Of each stream"""
    partitions: int

    @property
    def audio_s(self) -> float:
        """Seconds of sound, of all streams"""
        return self.streams * self.records * RECORD_BYTES / 2 / RATE

    @property
    def megabytes(self) -> float:
        return self.streams * self.records * RECORD_BYTES / 1e6


def fill(feed: Feed) -> None:
    """Make the topic and write all of `feed`, as devices send side by side. Raises BrokerError."""
    security = SecurityConfig()
    create_topic(feed.servers, security, feed.topic, TopicConfig(partitions=feed.partitions, configs=SHORT_LIVED))
    producer = Producer(ProducerOptions(feed.servers, topics=(feed.topic,)))
    try:
        for count, record in enumerate(_records(feed), start=1):
            producer.send(record)
            if count % FLUSH_RECORDS == 0:
                producer.flush(Deadline(FLUSH_S))
        producer.flush(Deadline(FLUSH_S))
    finally:
        producer.close()


def _records(feed: Feed) -> Iterator[Record]:
    samples = RECORD_BYTES // 2
    began_ms = SystemClock().utc_ns() // 1_000_000
    for number in range(feed.records):
        time = (number * samples + np.arange(samples)) / RATE
        hum = (6000 * np.sin(2 * np.pi * 300 * time) + 500 * np.random.default_rng(number).normal(size=samples)).astype(
            "<i2"
        )
        stamp_ms = began_ms + number * samples * 1000 // RATE
        value = hum.tobytes()
        for stream in range(feed.streams):
            yield Record(feed.topic, f"device-{stream}".encode(), value, timestamp_ms=stamp_ms)

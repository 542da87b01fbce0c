from __future__ import annotations

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka_cluster import Kafka


def values(kafka: Kafka, topic: str) -> list[bytes]:
    consumer = KafkaConsumer(
        topic, bootstrap_servers=kafka.servers, auto_offset_reset="earliest", consumer_timeout_ms=3000,
        **kafka.client_options,
    )  # fmt: skip
    try:
        return [message.value for message in consumer]
    finally:
        consumer.close()


def test_a_killed_broker_comes_back_with_what_it_acknowledged(kafka: Kafka) -> None:
    topic = kafka.new_topic(partitions=2)
    producer = KafkaProducer(bootstrap_servers=kafka.servers, acks="all", **kafka.client_options)
    for number in range(20):
        producer.send(topic, str(number).encode(), key=str(number).encode()).get(10)
    kafka.kill()
    kafka.restart()
    producer.send(topic, b"after").get(30)
    producer.close()
    assert sorted(values(kafka, topic)) == sorted([*(str(n).encode() for n in range(20)), b"after"])


@pytest.mark.slow
def test_three_brokers_lose_nothing_when_one_is_killed(three_brokers: Kafka) -> None:
    topic = three_brokers.new_topic()
    producer = KafkaProducer(bootstrap_servers=three_brokers.servers, acks="all")
    producer.send(topic, b"before").get(10)
    three_brokers.kill(2)
    producer.send(topic, b"while").get(30)
    three_brokers.restart(2)
    producer.close()
    assert values(three_brokers, topic) == [b"before", b"while"]

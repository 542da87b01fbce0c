from __future__ import annotations

from kafka import KafkaConsumer
from kafka_cluster import Kafka, wait_for

from pengi_stream.kafka.reading.assignment import finish_join


def test_a_join_that_outlasts_a_poll_is_finished_by_the_next(kafka: Kafka) -> None:
    """The topic's metadata comes while the group is joined, and the polls are about as short as a join."""
    for _ in range(20):
        topic = kafka.new_topic()
        consumer = KafkaConsumer(topic, bootstrap_servers=kafka.servers, group_id=topic, **kafka.client_options)

        def assigned(consumer: KafkaConsumer = consumer) -> bool:
            consumer.poll(10)
            finish_join(consumer)
            return bool(consumer.assignment())

        wait_for(assigned, "an assignment", 10)
        consumer.close()

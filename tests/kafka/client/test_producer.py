"""What a producer does when its topic goes away."""

from __future__ import annotations

import pytest
from kafka import KafkaAdminClient
from kafka.errors import KafkaTimeoutError
from kafka_cluster import Kafka

from pengi_stream.clock import Deadline
from pengi_stream.errors import BrokerError
from pengi_stream.kafka.client.connect import ClusterFacts, TopicFacts
from pengi_stream.kafka.client.producer import Producer, ProducerOptions, Record
from pengi_stream.kafka.client.reader import read_topic
from pengi_stream.kafka.security import SecurityConfig


def test_a_topic_that_was_made_anew_is_taken_up_again(kafka: Kafka) -> None:
    topic = kafka.new_topic()
    producer = Producer(ProducerOptions(kafka.servers, topics=[topic]))
    producer.send(Record(topic, b"door", b"old"))
    producer.flush(Deadline(20))
    admin = KafkaAdminClient(bootstrap_servers=kafka.servers, **kafka.client_options)
    admin.delete_topics([topic])
    admin.close()
    producer.send(Record(topic, b"door", b"new"))
    with pytest.raises(BrokerError, match="no topic") as away:
        producer.flush(Deadline(20))
    assert away.value.retry_after_s is not None
    kafka.create_topic(topic)
    producer.flush(Deadline(20))
    producer.close()
    assert [record.value for record in read_topic(kafka.servers, SecurityConfig(), topic)] == [b"new"]


class Future:
    """Of a record that is acknowledged, or never."""

    def __init__(self, is_done: bool) -> None:
        self.is_done = is_done

    def get(self, timeout: float) -> None:
        if not self.is_done:
            raise KafkaTimeoutError("no answer")


class Library:
    """A KafkaProducer; the first that is made does not see that its topic is another one."""

    made: list[Library]

    def __init__(self, **options: object) -> None:
        self.values: list[bytes] = []
        self.made.append(self)

    def send(self, topic: str, value: bytes, *rest: object, **more: object) -> Future:
        self.values.append(value)
        return Future(is_done=len(self.made) > 1)

    def close(self, timeout: float) -> None:
        """Nothing to let go of."""


@pytest.fixture
def ids(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The topic's ids, by time; the last one stays."""
    found = ["first", "second"]

    def connect(*_: object, **__: object) -> ClusterFacts:
        return ClusterFacts("c", {"events": TopicFacts("events", 1, found.pop(0) if len(found) > 1 else found[0])})

    Library.made = []
    where = "pengi_stream.kafka.client.producer"
    monkeypatch.setattr(f"{where}.connect", connect)
    monkeypatch.setattr(f"{where}.KafkaProducer", Library)
    return found


def sent() -> Producer:
    producer = Producer(ProducerOptions(["a:9092"], topics=["events"]))
    producer.send(Record("events", b"door", b"1"))
    producer.send(Record("events", b"door", b"2"))
    return producer


def test_where_the_library_does_not_see_it_another_one_is_begun_with(ids: list[str]) -> None:
    producer = sent()
    with pytest.raises(BrokerError, match="'events' was deleted and made anew") as told:
        producer.flush(Deadline(20))
    assert told.value.retry_after_s is not None
    producer.flush(Deadline(20))
    assert [library.values for library in Library.made] == [[b"1", b"2"], [b"1", b"2"]]
    assert producer.unacknowledged == 0


def test_a_topic_that_is_slow_is_no_other_topic(ids: list[str]) -> None:
    ids[:] = ["first"]
    producer = sent()
    with pytest.raises(BrokerError, match="slow to acknowledge"):
        producer.flush(Deadline(20))
    assert len(Library.made) == 1

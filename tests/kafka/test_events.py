from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kafka import KafkaConsumer
from kafka.consumer.fetcher import ConsumerRecord
from kafka_cluster import Kafka, free_ports, wait_for
from pydantic import ValidationError
from some_events import source_event

from pengi_stream.clock import Deadline
from pengi_stream.errors import SinkError
from pengi_stream.events import SourceEvent
from pengi_stream.kafka.events import KafkaSinkConfig
from pengi_stream.kafka.sinks import KafkaSink
from pengi_stream.testing import check_sink, context
from pengi_stream.wire import event_from_json


def event(number: int, stream_id: str = "door", reason: str = "overflow") -> SourceEvent:
    return source_event(id=f"id-{number}", stream_id=stream_id, start_ns=number, reason=reason)


@contextmanager
def sink_to(kafka: Kafka, topic: str, **keys: object) -> Iterator[KafkaSink]:
    config = {"type": "kafka", "bootstrap_servers": kafka.servers, "topic": topic, **keys}
    sink = KafkaSinkConfig.model_validate(config).build(context())
    yield sink
    sink.close()


def records(kafka: Kafka, topic: str, n: int) -> list[ConsumerRecord]:
    """The first `n` of a topic, read by a client that knows nothing of us, and what follows within a second."""
    consumer = KafkaConsumer(
        topic, bootstrap_servers=kafka.servers, auto_offset_reset="earliest", **kafka.client_options
    )  # fmt: skip
    found: list[ConsumerRecord] = []

    def poll(ms: int) -> bool:
        found.extend(record for some in consumer.poll(ms).values() for record in some)
        return len(found) >= n

    wait_for(lambda: poll(100), f"{n} records in {topic}")
    poll(1000)
    consumer.close()
    return found


def test_the_contract_of_sinks_is_kept(kafka: Kafka) -> None:
    config = {"type": "kafka", "bootstrap_servers": kafka.servers, "topic": kafka.new_topic()}
    check_sink(KafkaSinkConfig.model_validate(config))


@pytest.mark.parametrize("compression", ["zstd", "lz4", "gzip", "none"])
def test_each_event_is_a_record_keyed_by_its_stream_and_marked_as_a_cloudevent(kafka: Kafka, compression: str) -> None:
    topic = kafka.new_topic(partitions=3)
    written = [event(number, f"stream-{number % 5}") for number in range(50)]
    with sink_to(kafka, topic, compression=compression) as sink:
        sink.write(written[:20])
        sink.write(written[20:])
        sink.flush(Deadline(20))
    found = records(kafka, topic, 50)
    assert sorted(event_from_json(record.value).start_ns for record in found) == list(range(50))
    assert all(record.key == event_from_json(record.value).stream_id.encode() for record in found)
    assert {tuple(record.headers) for record in found} == {(("content-type", b"application/cloudevents+json"),)}
    for stream in {record.key for record in found}:
        of_stream = [record for record in found if record.key == stream]
        assert len({record.partition for record in of_stream}) == 1
        times = [event_from_json(record.value).start_ns for record in sorted(of_stream, key=lambda r: r.offset)]
        assert times == sorted(times)


def test_a_plain_client_reads_the_events(kafka: Kafka) -> None:
    topic = kafka.new_topic()
    with sink_to(kafka, topic) as sink:
        sink.write([event(1), event(2)])
        sink.flush(Deadline(20))
    command = ["kcat", "-C", "-b", kafka.bootstrap, "-t", topic, "-e", "-q", "-f", r"%k %h %s\n"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except FileNotFoundError:
        pytest.skip("kcat is not installed (apt-get install kcat)")
    lines = [line.split(" ", 2) for line in done.stdout.splitlines()]
    assert [(key, headers) for key, headers, _ in lines] == [("door", "content-type=application/cloudevents+json")] * 2
    assert [event_from_json(value) for _, _, value in lines] == [event(1), event(2)]


def test_a_broker_that_is_killed_and_comes_back_loses_nothing(kafka: Kafka) -> None:
    topic = kafka.new_topic()
    with sink_to(kafka, topic) as sink:
        sink.write([event(0)])
        sink.flush(Deadline(20))
        kafka.kill()
        sink.write([event(number) for number in range(1, 10)])
        with pytest.raises(SinkError, match="connection refused") as away:
            sink.flush(Deadline(30))
        assert away.value.retry_after_s is not None
        back = threading.Thread(target=kafka.restart)
        back.start()
        wait_for(lambda: flushed(sink), "a flush after the broker was back", 60)
        back.join()
        sink.write([event(10)])
        sink.flush(Deadline(20))
    assert [event_from_json(record.value).start_ns for record in records(kafka, topic, 11)] == list(range(11))


@pytest.mark.slow
def test_one_of_three_brokers_is_killed_and_nothing_acknowledged_is_lost(three_brokers: Kafka) -> None:
    topic = three_brokers.new_topic(partitions=3)
    killer = threading.Thread(target=three_brokers.kill, args=(2,))
    with sink_to(three_brokers, topic) as sink:
        for batch in range(30):
            sink.write([event(100 * batch + number, f"stream-{number % 7}") for number in range(100)])
            wait_for(lambda: flushed(sink), "a flush with two of three brokers", 60)
            if batch == 10:
                killer.start()
    killer.join()
    three_brokers.restart(2)
    found = [event_from_json(record.value) for record in records(three_brokers, topic, 3000)]
    assert {each.start_ns for each in found} == set(range(3000))
    for stream in range(7):
        times = [each.start_ns for each in found if each.stream_id == f"stream-{stream}"]
        assert times == sorted(times)


def flushed(sink: KafkaSink) -> bool:
    try:
        sink.flush(Deadline(5))
    except SinkError as error:
        if error.retry_after_s is None:
            raise
        return False
    return True


def test_what_a_failed_flush_left_is_forgotten_when_more_is_written(kafka: Kafka) -> None:
    """A sink that is not required gets no second try, and must not fill the memory."""
    name = f"late-{free_ports(1)[0]}"
    with sink_to(kafka, name, required=False) as sink:
        sink.write([event(1)])
        with pytest.raises(SinkError):
            sink.flush(Deadline(1))
        kafka.create_topic(name)
        sink.write([event(2)])
        sink.flush(Deadline(20))
    assert [event_from_json(record.value) for record in records(kafka, name, 1)] == [event(2)]


def test_a_topic_is_made_where_that_is_asked_for(kafka: Kafka) -> None:
    name = f"made-{free_ports(1)[0]}"
    with sink_to(kafka, name, create_topic={"partitions": 3, "configs": {"retention.ms": "60000"}}) as sink:
        sink.write([event(1)])
        sink.flush(Deadline(20))
    assert len(records(kafka, name, 1)) == 1


def test_a_missing_topic_is_named_before_anything_is_written(kafka: Kafka) -> None:
    with sink_to(kafka, "no-such-topic") as sink:
        with pytest.raises(SinkError, match="no topic 'no-such-topic'") as caught:
            sink.flush(Deadline(20))
        assert caught.value.retry_after_s is None


def test_an_event_that_is_larger_than_the_topic_takes_is_refused_with_its_size(kafka: Kafka) -> None:
    topic = kafka.new_topic(max_message_bytes="2000")
    with sink_to(kafka, topic, compression="none") as sink:
        sink.write([event(0, reason="x" * 5000)])
        with pytest.raises(
            SinkError, match=r"a record of 5\d\d\d bytes is too large; its max.message.bytes is 2000"
        ) as caught:
            sink.flush(Deadline(20))
        assert caught.value.retry_after_s is None
        sink.write([event(1)])
        sink.flush(Deadline(20))


@pytest.mark.parametrize(
    "keys",
    [
        {"topic": "a b"},
        {"topic": ""},
        {"bootstrap_servers": []},
        {"bootstrap_servers": ["localhost"]},
        {"compression": "snappy"},
        {"create_topic": {"partitions": -2}},
        {"security": {"protocol": "SASL_SSL"}},
    ],
)
def test_a_config_that_makes_no_sense_is_refused(keys: dict[str, object]) -> None:
    whole = {"type": "kafka", "bootstrap_servers": ["127.0.0.1:9092"], "topic": "events"}
    KafkaSinkConfig.model_validate(whole)
    with pytest.raises(ValidationError):
        KafkaSinkConfig.model_validate(whole | keys)

from __future__ import annotations

import pytest
from kafka_cluster import Kafka, free_ports
from pydantic import ValidationError

from pengi_stream.clock import Deadline
from pengi_stream.errors import SinkError
from pengi_stream.kafka.client.reader import read_topic
from pengi_stream.kafka.dead_letters import KafkaDeadLettersConfig
from pengi_stream.kafka.lane import Lane
from pengi_stream.kafka.security import SecurityConfig
from pengi_stream.kafka.sinks import KafkaDeadLetters
from pengi_stream.testing import check_dead_letters, context
from pengi_stream.types import BadRecord, Stream
from pengi_stream.wire.letter import Letter, from_headers

AUDIO = Lane("audio", 0)


def letters_to(servers: list[str], topic: str, **keys: object) -> KafkaDeadLetters:
    config = {"type": "kafka", "bootstrap_servers": servers, "topic": topic, **keys}
    return KafkaDeadLettersConfig.model_validate(config).build(context())


def kept(kafka: Kafka, topic: str, *records: BadRecord) -> list[Letter]:
    letters = letters_to(kafka.servers, topic)
    letters.write(records)
    letters.flush(Deadline(20))
    letters.close()
    found = read_topic(kafka.servers, SecurityConfig(), topic)
    return [from_headers(record.key, record.value, record.headers) for record in found]


def test_the_contract_of_dead_letters_is_kept(kafka: Kafka) -> None:
    config = {"type": "kafka", "bootstrap_servers": kafka.servers, "topic": kafka.new_topic()}
    check_dead_letters(KafkaDeadLettersConfig.model_validate(config))


def test_a_bad_record_is_kept_with_its_bytes_key_and_headers_and_why(kafka: Kafka) -> None:
    poison = bytes(range(256))
    headers = (("content-type", b"audio/wav"), ("content-type", b"\xff"))
    record = BadRecord(
        Stream("door"),
        "is no audio",
        "AudioError",
        poison,
        b"\xffdoor",
        headers,
        500_000_000,
        Lane("audio", 3).position(17),
    )
    topic = kafka.new_topic()
    assert kept(kafka, topic, record) == [
        Letter(
            "audio-3-17", "door", "is no audio", "AudioError", "audio", 3, 17, 500_000_000, b"\xffdoor", poison, headers
        )
    ]
    [raw] = read_topic(kafka.servers, SecurityConfig(), topic)
    assert (raw.key, raw.value, raw.headers[:2]) == (b"\xffdoor", poison, headers)
    assert dict(raw.headers[2:]) == {
        "dlq.id": b"audio-3-17",
        "dlq.stream": b"door",
        "dlq.reason": b"is no audio",
        "dlq.exception": b"AudioError",
        "dlq.topic": b"audio",
        "dlq.partition": b"3",
        "dlq.offset": b"17",
        "dlq.time": b"1970-01-01T00:00:00.500Z",
    }


def test_no_bytes_are_not_the_same_as_none(kafka: Kafka) -> None:
    empty = BadRecord(Stream("a"), "is empty", value=b"", position=AUDIO.position(1))
    failed = BadRecord(Stream("a"), "the model failed", position=AUDIO.position(2))
    assert [letter.value for letter in kept(kafka, kafka.new_topic(), empty, failed)] == [b"", None]


def test_a_record_that_dies_again_carries_only_its_last_death(kafka: Kafka) -> None:
    marks = (("dlq.reason", b"first"), ("dlq.offset", b"1"), ("content-type", b"audio/wav"))
    again = BadRecord(Stream("a"), "second", value=b"x", headers=marks, position=AUDIO.position(9))
    [letter] = kept(kafka, kafka.new_topic(), again)
    assert (letter.reason, letter.offset, letter.headers) == ("second", 9, (("content-type", b"audio/wav"),))


def test_a_large_record_is_kept_where_the_topic_takes_it(kafka: Kafka) -> None:
    large = BadRecord(Stream("a"), "is too large", value=bytes(20_000_000), position=AUDIO.position(1))
    [letter] = kept(kafka, kafka.new_topic(max_message_bytes="21000000"), large)
    assert letter.value == bytes(20_000_000)


def test_a_broker_that_is_away_asks_for_another_try() -> None:
    [port] = free_ports(1)
    letters = letters_to([f"127.0.0.1:{port}"], "dead")
    letters.write([BadRecord(Stream("a"), "is no audio", value=b"x")])
    with pytest.raises(SinkError, match=r"dead letters: .*connection refused") as caught:
        letters.flush(Deadline(5))
    assert caught.value.retry_after_s is not None


def test_a_config_that_makes_no_sense_is_refused() -> None:
    for keys in ({"topic": "a/b"}, {"bootstrap_servers": "localhost"}, {"max_record_bytes": 0}, {"path": "dead.jsonl"}):
        with pytest.raises(ValidationError):
            KafkaDeadLettersConfig.model_validate(
                {"type": "kafka", "topic": "dead", "bootstrap_servers": "127.0.0.1:9092", **keys}
            )


def test_a_letter_with_large_headers_is_refused_with_their_size_and_the_topics_limit(kafka: Kafka) -> None:
    letters = letters_to(kafka.servers, kafka.new_topic(max_message_bytes="2000"), compression="none")
    letters.write([BadRecord(Stream("a"), "is no audio", value=b"12", headers=(("x", bytes(9000)),))])
    with pytest.raises(SinkError, match=r"a record of 9\d\d\d bytes is too large; its max.message.bytes is 2000"):
        letters.flush(Deadline(20))
    letters.close()

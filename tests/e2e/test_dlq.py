from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from kafka_cluster import Kafka
from support import Run

from pengi_stream.clock import Deadline
from pengi_stream.kafka.client.producer import Record
from pengi_stream.kafka.client.reader import read_topic
from pengi_stream.kafka.dead_letters import KafkaDeadLettersConfig
from pengi_stream.kafka.lane import Lane
from pengi_stream.kafka.security import SecurityConfig
from pengi_stream.protocols import DeadLetterSink
from pengi_stream.sinks.dead_letters import JsonlDeadLettersConfig
from pengi_stream.testing import context
from pengi_stream.types import BadRecord, Stream

HEADERS = (("content-type", b"audio/wav"), ("x", b"\xff"))
WHEN_NS = 1_700_000_000_000_000_000


def bad(topic: str, offset: int) -> BadRecord:
    value = b"\x00poison %d" % offset
    place = Lane(topic, 0).position(offset)
    return BadRecord(Stream("door"), "is no audio", "AudioError", value, b"door", HEADERS, WHEN_NS, place)


def keep(letters: DeadLetterSink, *records: BadRecord) -> None:
    letters.write(records)
    letters.flush(Deadline(20))
    letters.close()


def records(kafka: Kafka, topic: str) -> list[Record]:
    return list(read_topic(kafka.servers, SecurityConfig(), topic))


@pytest.fixture(params=["file", "topic"])
def place(request: pytest.FixtureRequest, kafka: Kafka, tmp_path: Path) -> dict[str, object]:
    """Where dead letters are kept."""
    if request.param == "file":
        return {"type": "jsonl", "path": str(tmp_path / "dead.jsonl")}
    return {"type": "kafka", "bootstrap_servers": kafka.servers, "topic": kafka.new_topic()}


@pytest.fixture
def pipeline_with(pipeline: Callable[..., str], kafka: Kafka) -> Callable[[dict[str, object]], str]:
    """A pipeline on the cluster, whose dead letters are at a place."""

    def write(place: dict[str, object]) -> str:
        sink = {"type": "kafka", "bootstrap_servers": kafka.servers, "topic": "events"}
        return pipeline(sources=[{"type": "file", "path": "a.wav"}], sinks=[sink], dead_letters=place)

    return write


def built(place: dict[str, object]) -> DeadLetterSink:
    kind = JsonlDeadLettersConfig if place["type"] == "jsonl" else KafkaDeadLettersConfig
    return kind.model_validate(place).build(context())


def test_dead_letters_are_listed_once_each_and_replayed_as_they_came(
    run: Run, kafka: Kafka, place: dict[str, object], pipeline_with: Callable[[dict[str, object]], str]
) -> None:
    audio = kafka.new_topic()
    keep(built(place), bad(audio, 3), bad(audio, 5), bad(audio, 3))
    file = pipeline_with(place)
    listed = run("dlq", "list", file)
    assert listed.status == 0, listed.err
    lines = [line.split("\t") for line in listed.out.splitlines()]
    assert lines == [
        [f"{audio}-0-{offset}", "door", "2023-11-14T22:13:20.000Z", "9 bytes", "is no audio"] for offset in (3, 5)
    ]
    one = run("dlq", "replay", file, "--id", f"{audio}-0-5")
    assert (one.status, one.out) == (0, "1 record(s) sent again\n"), one.err
    assert [(r.key, r.value, r.headers) for r in records(kafka, audio)] == [(b"door", b"\x00poison 5", HEADERS)]
    rest = run("dlq", "replay", file)
    assert rest.out == "2 record(s) sent again\n", rest.err
    assert [r.value for r in records(kafka, audio)] == [b"\x00poison %d" % offset for offset in (5, 3, 5)]


def test_dead_letters_can_be_sent_to_another_topic(
    run: Run, kafka: Kafka, place: dict[str, object], pipeline_with: Callable[[dict[str, object]], str]
) -> None:
    audio, other = kafka.new_topic(), kafka.new_topic()
    keep(built(place), bad(audio, 3))
    assert run("dlq", "replay", pipeline_with(place), "--to", other).status == 0
    assert [r.value for r in records(kafka, other)] == [b"\x00poison 3"]
    assert records(kafka, audio) == []


def test_an_id_that_no_letter_has_is_named_and_nothing_is_sent(
    run: Run, kafka: Kafka, tmp_path: Path, pipeline_with: Callable[[dict[str, object]], str]
) -> None:
    audio = kafka.new_topic()
    place = {"type": "jsonl", "path": str(tmp_path / "dead.jsonl")}
    keep(built(place), bad(audio, 3))
    ended = run("dlq", "replay", pipeline_with(place), "--id", f"{audio}-0-3", "--id", "no-such")
    assert ended.status == 1
    assert "no dead letter with bytes has the id no-such" in ended.err
    assert records(kafka, audio) == []


def test_a_pipeline_without_dead_letters_says_so(run: Run, pipeline: Callable[..., str]) -> None:
    ended = run("dlq", "list", pipeline(sources=[{"type": "file", "path": "a.wav"}]))
    assert ended.status == 2
    assert "keeps no dead letters" in ended.err


def test_a_streams_id_cannot_feign_lines_or_colours(
    run: Run, tmp_path: Path, pipeline_with: Callable[[dict[str, object]], str]
) -> None:
    place = {"type": "jsonl", "path": str(tmp_path / "dead.jsonl")}
    record = BadRecord(
        Stream("tür\tb\nfake-line\x1b[31mRED"), "no\x1b[0m", "", b"x", position=Lane("audio", 0).position(3)
    )
    keep(built(place), record)
    listed = run("dlq", "list", pipeline_with(place))
    assert listed.out.splitlines() == [
        "audio-0-3\ttür\\tb\\nfake-line\\x1b[31mRED\t1970-01-01T00:00:00.000Z\t1 bytes\tno\\x1b[0m"
    ]


def test_a_topic_that_the_first_dead_letter_will_make_holds_none_until_then(
    run: Run, kafka: Kafka, pipeline_with: Callable[[dict[str, object]], str]
) -> None:
    place: dict[str, object] = {"type": "kafka", "bootstrap_servers": kafka.servers, "topic": "not-yet"}
    missing = run("dlq", "list", pipeline_with(place))
    assert (missing.status, "no topic 'not-yet'" in missing.err) == (1, True)
    later = run("dlq", "list", pipeline_with(place | {"create_topic": {}}))
    assert (later.status, later.out) == (0, ""), later.err
    assert "0 dead letter(s)" in later.err

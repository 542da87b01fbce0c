from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from pengi_stream.clock import Deadline
from pengi_stream.errors import SinkError
from pengi_stream.kafka.lane import Lane
from pengi_stream.protocols import DeadLetterSink
from pengi_stream.sinks.dead_letters import JsonlDeadLetters, JsonlDeadLettersConfig
from pengi_stream.sinks.lines import LineWriter
from pengi_stream.testing import FakeClock, check_dead_letters, context
from pengi_stream.types import BadRecord, Stream


def kept(path: Path, *records: BadRecord) -> list[dict[str, object]]:
    letters = JsonlDeadLetters(LineWriter(str(path)), FakeClock(utc_ns=1_500_000_000))
    letters.write(records)
    letters.flush(Deadline(1))
    letters.close()
    letters.close()
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_contract_of_dead_letters_is_kept(tmp_path: Path) -> None:
    check_dead_letters(JsonlDeadLettersConfig(type="jsonl", path=str(tmp_path / "dead.jsonl")))


def test_a_bad_record_is_kept_with_all_that_a_replay_needs(tmp_path: Path) -> None:
    poison = bytes(range(256))
    record = BadRecord(
        stream=Stream("door"),
        reason="is no audio",
        exception="AudioError",
        value=poison,
        key=b"door",
        headers=(("content-type", b"audio/wav"), ("content-type", b"\xff")),
        time_ns=500_000_000,
        position=Lane("audio", 3).position(17),
    )
    [found] = kept(tmp_path / "dead.jsonl", record)
    assert base64.b64decode(str(found.pop("value"))) == poison
    assert found == {
        "stream_id": "door",
        "reason": "is no audio",
        "exception": "AudioError",
        "id": "audio-3-17",
        "topic": "audio",
        "partition": 3,
        "offset": 17,
        "key": "ZG9vcg==",  # printf door | base64
        "time": "1970-01-01T00:00:00.500Z",
        "recorded_at": "1970-01-01T00:00:01.500Z",
        "headers": [["content-type", "YXVkaW8vd2F2"], ["content-type", "/w=="]],  # printf audio/wav | base64
    }


def test_a_record_without_bytes_or_place_says_so(tmp_path: Path) -> None:
    [found] = kept(tmp_path / "dead.jsonl", BadRecord(Stream("a.wav"), "is truncated"))
    assert (found["value"], found["partition"], found["offset"], found["headers"]) == (None, None, None, [])


def test_no_bytes_are_not_the_same_as_none(tmp_path: Path) -> None:
    [found] = kept(tmp_path / "dead.jsonl", BadRecord(Stream("a"), "is empty", value=b""))
    assert found["value"] == ""


def test_records_are_added_to_those_of_earlier_runs(tmp_path: Path) -> None:
    kept(tmp_path / "dead.jsonl", BadRecord(Stream("a"), "first"))
    name = b"caf\xe9.wav".decode("utf-8", "surrogateescape")
    found = kept(tmp_path / "dead.jsonl", BadRecord(Stream(name), "second\nline"))
    assert [(letter["stream_id"], letter["reason"]) for letter in found] == [("a", "first"), (name, "second\nline")]


def test_a_pipeline_file_can_name_the_file() -> None:
    letters = JsonlDeadLettersConfig.model_validate({"type": "jsonl", "path": "/dev/full"}).build(context())
    assert isinstance(letters, DeadLetterSink)
    with pytest.raises(SinkError, match="disk is full"):
        letters.write([BadRecord(Stream("a"), "is no audio")])

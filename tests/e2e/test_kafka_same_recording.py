"""The same recording through a file, a pipe and Kafka gives the same texts and times."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from kafka_cluster import Kafka
from kafka_worker import AUDIO, RATE, START_MS, cut, interleaved, send, sound, undisturbed
from support import COMMAND, Ended, environment

from pengi_stream.clock import rfc3339

SECONDS = 6.3


def facts(events: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    """What was said, and of when, in the order of the stream."""
    found = []
    for event in events:
        assert event["type"] == "pengi_stream.text"
        data = dict(event["data"])  # type: ignore[call-overload]
        data.pop("origin", None)
        data.pop("processed_at", None)
        found.append(data)
    return sorted(found, key=lambda data: (data["stream_id"], data["first_sample"]))


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, object]]]:
    """Of two recordings, by a file and by a pipe."""
    found = {}
    folder = tmp_path_factory.mktemp("stored")
    for number, name in enumerate(["a", "b"]):
        raw = sound(number, SECONDS)
        soundfile.write(folder / f"{name}.wav", np.frombuffer(raw, "<i2"), RATE)
        common = {"stream_id": name, "starts_at": rfc3339(START_MS * 10**6)}
        by_file = texts(folder, {"type": "file", "path": f"{name}.wav", **common})
        by_pipe = texts(folder, {"type": "pipe", "audio": AUDIO, **common}, raw)
        assert by_file == by_pipe
        assert len(by_file) == 15
        found[name] = by_file
    return found


def texts(folder: Path, source: dict[str, object], stdin: bytes = b"") -> list[dict[str, object]]:
    config = {
        "model": {"type": "fake", "window_s": 1.0},
        "window": {"hop_s": 0.4},
        "sources": [source],
        "sinks": [{"type": "jsonl", "path": "-"}],
    }
    (folder / "stored.yaml").write_text(yaml.safe_dump(config))
    ended = subprocess.run(
        [*COMMAND, "run", "stored.yaml"], input=stdin, capture_output=True, cwd=folder, env=environment(), check=False
    )
    return facts(Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode()).events())


@pytest.mark.parametrize(("record_bytes", "partitions"), [(150, 1), (2_206, 3), (65_536, 2), (10**6, 1)])
def test_records_of_any_size_in_any_number_of_partitions_give_what_file_and_pipe_give(
    kafka: Kafka,
    tmp_path: Path,
    expected: dict[str, list[dict[str, object]]],
    record_bytes: int,
    partitions: int,
) -> None:
    topic = kafka.new_topic(partitions)
    send(kafka, topic, interleaved([cut(name, sound(n, SECONDS), record_bytes) for n, name in enumerate(["a", "b"])]))
    heard = undisturbed(kafka, tmp_path, topic)
    found = facts([event for event in heard if event["type"] == "pengi_stream.text"])
    assert found == [*expected["a"], *expected["b"]]

"""Ingest and workers, in processes of their own with a topic of windows between them, do what `run` does."""

from __future__ import annotations

import base64
import json
import random
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka_cluster import Kafka, wait_for
from kafka_worker import AUDIO, RATE, SESSION_S, Sent, by_id, cut, interleaved, not_committed, send, sound, undisturbed
from support import COMMAND, environment

PATIENCE_S = 60
MODEL = {"type": "fake", "sample_rate": RATE, "window_s": 1.0}  # hears 16 bits as they are, so no text may differ


def half(**parts: object) -> dict[str, object]:
    return {
        "name": "listen",
        "model": MODEL,
        "window": {"hop_s": 0.4},
        "batch": {"max_wait_s": 0.05},
        **parts,
    }


@dataclass
class Split:
    """The processes of a split deployment, and what they write."""

    kafka: Kafka
    folder: Path
    windows: str
    group: str = field(default_factory=lambda: f"group-{uuid.uuid4().hex[:8]}")
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    started: int = 0

    def ingest(self, source: dict[str, object], **sink: object) -> subprocess.Popen[bytes]:
        """Send the windows of `source`."""
        sinks = [{"type": "windows", "bootstrap_servers": self.kafka.servers, "topic": self.windows, **sink}]
        return self._start("ingest", half(sources=[source], sinks=sinks))

    def ingest_topic(self, audio: str) -> subprocess.Popen[bytes]:
        """Send the windows of a topic's audio, as a member of a group."""
        source = {"type": "kafka", "topics": [audio], "audio": AUDIO, **self._member("ingest")}
        return self.ingest(source)

    def worker(self) -> subprocess.Popen[bytes]:
        """Turn windows into events."""
        source = {"type": "windows", "topics": [self.windows], **self._member("worker")}
        stem = self.folder / f"{self.group}-{self.started + 1:02}"
        sinks = [{"type": "jsonl", "path": str(stem.with_suffix(".events"))}]
        letters = {"type": "jsonl", "path": str(stem.with_suffix(".dead"))}
        return self._start("worker", half(sources=[source], sinks=sinks, dead_letters=letters))

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """kill -9."""
        process.kill()
        process.wait()
        self.running.remove(process)

    def until_committed(self, topic: str, half: str) -> None:
        """Wait until `half`'s group has committed all of `topic`."""
        try:
            wait_for(
                lambda: not_committed(self.kafka, topic, f"{self.group}-{half}") == 0, f"{half}'s commit", PATIENCE_S
            )
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.logs()}") from error

    def stop_all(self) -> None:
        """SIGTERM; all must end well."""
        for process in self.running:
            process.send_signal(signal.SIGTERM)
        for process in self.running:
            assert process.wait(30) == 0, self.logs()
        self.running.clear()

    def events(self, number: int | None = None) -> list[dict[str, Any]]:
        """Of one process, or of all, without the time at which they were made."""
        found = [json.loads(line) for line in self._lines("events", number)]
        for event in found:
            event["data"].pop("processed_at", None)
        return found

    def dead_letters(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self._lines("dead", None)]

    def logs(self) -> str:
        return "\n".join(self._lines("log", None))[-4000:]

    def _lines(self, suffix: str, number: int | None) -> Iterator[str]:
        which = "*" if number is None else f"{number:02}"
        for path in sorted(self.folder.glob(f"{self.group}-{which}.{suffix}")):
            yield from (line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n"))

    def _member(self, half: str) -> dict[str, object]:
        return {
            "bootstrap_servers": self.kafka.servers,
            "group_id": f"{self.group}-{half}",
            "session_timeout_s": SESSION_S,
            "commit_interval_s": 0.2,
        }

    def _start(self, command: str, config: dict[str, object]) -> subprocess.Popen[bytes]:
        self.started += 1
        stem = self.folder / f"{self.group}-{self.started:02}"
        stem.with_suffix(".yaml").write_text(yaml.safe_dump(config))
        with stem.with_suffix(".log").open("wb") as log:
            process = subprocess.Popen(
                [*COMMAND, command, stem.with_suffix(".yaml")], stdout=log, stderr=log, env=environment()
            )
        self.running.append(process)
        return process


@contextmanager
def split(kafka: Kafka, folder: Path, partitions: int = 2) -> Iterator[Split]:
    """A topic of windows, and nobody at its ends; processes that still run at the end are killed."""
    found = Split(kafka, folder, kafka.new_topic(partitions))
    try:
        yield found
    finally:
        for process in list(found.running):
            found.kill(process)


def recording(folder: Path, number: int = 0, seconds: float = 6.3) -> Path:
    path = folder / f"recording-{number}.wav"
    soundfile.write(path, np.frombuffer(sound(number, seconds), "<i2"), RATE)
    return path


def devices(count: int, records: int) -> list[Sent]:
    each = [cut(f"device-{n}", sound(n, records * 8_000 / 22_050), 8_000) for n in range(count)]
    return interleaved(each)


@pytest.mark.parametrize("encoding", ["flac", "flac16", "l16"])
def test_ingest_and_worker_give_the_events_of_run(kafka: Kafka, tmp_path: Path, encoding: str) -> None:
    source = {"type": "file", "path": str(recording(tmp_path)), "stream_id": "kitchen"}
    whole = half(sources=[source], sinks=[{"type": "jsonl", "path": str(tmp_path / "whole.jsonl")}])
    (tmp_path / "whole.yaml").write_text(yaml.safe_dump(whole))
    subprocess.run([*COMMAND, "run", tmp_path / "whole.yaml"], env=environment(), check=True, timeout=60)
    expected = [json.loads(line) for line in (tmp_path / "whole.jsonl").read_text().splitlines()]
    with split(kafka, tmp_path) as halves:
        assert halves.ingest(source, encoding=encoding).wait(60) == 0
        halves.running.clear()
        halves.worker()
        halves.until_committed(halves.windows, "worker")
        halves.stop_all()
        found = halves.events()
    assert [event["type"] for event in expected] == ["pengi_stream.text"] * 15 + ["pengi_stream.coverage"]
    assert [said(event) for event in found] == [said(event) for event in expected]


def said(event: dict[str, Any]) -> dict[str, object]:
    """But for where in Kafka its window lay, which a file has not."""
    dropped = {"processed_at", "origin"}
    return {**event, "data": {name: fact for name, fact in event["data"].items() if name not in dropped}}


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_halves_that_are_killed_at_any_moment_change_no_event(kafka: Kafka, tmp_path: Path) -> None:
    kafka.needs("handing over of partitions")
    moments = random.Random(3)
    audio = kafka.new_topic(3)
    records = devices(6, 42)
    third = len(records) // 3
    with split(kafka, tmp_path, partitions=3) as halves:
        ingest, worker = halves.ingest_topic(audio), halves.worker()
        for start in (0, third):
            enough = len(halves.events()) + moments.randrange(1, 30)  # of some 60
            send(kafka, audio, records[start : start + third])
            wait_for(lambda n=enough: len(halves.events()) >= n, f"{enough} events\n{halves.logs()}", PATIENCE_S)
            halves.kill(worker)
            halves.kill(ingest)
            ingest, worker = halves.ingest_topic(audio), halves.worker()
        send(kafka, audio, records[2 * third :])
        halves.until_committed(audio, "ingest")
        halves.until_committed(halves.windows, "worker")
        halves.stop_all()
        found = by_id(halves.events())
    expected = by_id(undisturbed(kafka, tmp_path, audio, pipeline={"model": MODEL}))
    assert found.keys() == expected.keys()
    assert found == expected
    assert len(expected) > 150


def test_two_workers_share_the_partitions_of_the_windows(kafka: Kafka, tmp_path: Path) -> None:
    audio = kafka.new_topic(2)
    streams = devices(8, 20)
    send(kafka, audio, streams[: len(streams) // 2])
    with split(kafka, tmp_path, partitions=6) as halves:
        halves.ingest_topic(audio)
        halves.worker()
        wait_for(lambda: halves.events(2), f"an event of the first worker\n{halves.logs()}", PATIENCE_S)
        halves.worker()
        wait_for(lambda: has_partitions(halves, members=2), f"two members\n{halves.logs()}", PATIENCE_S)
        send(kafka, audio, streams[len(streams) // 2 :])
        halves.until_committed(audio, "ingest")
        halves.until_committed(halves.windows, "worker")
        halves.stop_all()
        found, first, second = by_id(halves.events()), halves.events(2), halves.events(3)
    assert found == by_id(undisturbed(kafka, tmp_path, audio, pipeline={"model": MODEL}))
    assert first
    assert second


def has_partitions(halves: Split, members: int) -> bool:
    """Whether so many workers have some of the partitions."""
    admin = KafkaAdminClient(bootstrap_servers=halves.kafka.servers, **halves.kafka.client_options)
    try:
        group = f"{halves.group}-worker"
        described = admin.describe_groups([group])[group]
        return described["group_state"] == "Stable" and len(described["members"]) == members
    finally:
        admin.close()


def test_records_that_are_no_windows_are_dead_letters_and_their_neighbours_events(kafka: Kafka, tmp_path: Path) -> None:
    source = {"type": "file", "path": str(recording(tmp_path, seconds=3.0)), "stream_id": "kitchen"}
    with split(kafka, tmp_path, partitions=1) as halves:
        assert halves.ingest(source).wait(60) == 0
        halves.running.clear()
        good = first_record(kafka, halves.windows)
        newer = tuple((name, b"pengi_stream.window/99" if name == "schema" else fact) for name, fact in good.headers)
        lying = tuple((name, b"70000" if name == "valid-samples" else fact) for name, fact in good.headers)
        poison = [
            Sent(b"a", good.value, 1, newer),
            Sent(b"b", good.value, 1, lying),
            Sent(b"c", (good.value or b"")[:100], 1, good.headers),
            Sent(b"d", b"nonsense", 1),
            Sent(b"e", None, 1),
        ]
        send(kafka, halves.windows, poison)
        send(kafka, halves.windows, [Sent(b"f", good.value, 1, good.headers)])
        halves.worker()
        halves.until_committed(halves.windows, "worker")
        halves.stop_all()
        letters, events = halves.dead_letters(), halves.events()
    assert [(letter["stream_id"], letter["value"]) for letter in letters] == [
        (each.key.decode(), None if each.value is None else base64.b64encode(each.value).decode())
        for each in poison
        if each.key
    ]
    assert "pengi_stream.window/99" in str(letters[0]["reason"])
    texts = [event["subject"] for event in events if event["type"] == "pengi_stream.text"]
    assert sorted(texts) == ["f"] + ["kitchen"] * 6


def first_record(kafka: Kafka, topic: str) -> Sent:
    consumer = KafkaConsumer(bootstrap_servers=kafka.servers, **kafka.client_options)
    try:
        consumer.assign([TopicPartition(topic, 0)])
        consumer.seek_to_beginning()
        found: list[Sent] = []
        while not found:
            for records in consumer.poll(1000).values():
                found += [Sent(each.key, each.value, each.timestamp, tuple(each.headers)) for each in records]
        return found[0]
    finally:
        consumer.close()


def test_a_topic_that_is_too_small_for_a_window_is_told_at_the_start_with_both_sizes(
    kafka: Kafka, tmp_path: Path
) -> None:
    with split(kafka, tmp_path) as halves:
        halves.windows = f"small-{uuid.uuid4().hex[:8]}"
        sizes = {"create_topic": {"partitions": 1, "replication_factor": 1, "configs": {"max.message.bytes": "20000"}}}
        source = {"type": "synthetic", "sound": "sine"}
        assert halves.ingest(source, **sizes).wait(30) == 1
        halves.running.clear()
        said = halves.logs()
    needed = 3 * RATE + 16_384 + 4_096  # 24 bits, and what FLAC and headers add at most
    assert f"{halves.windows!r} takes records of 20000 bytes" in said
    assert f"a window of 1.000 s at {RATE} Hz needs {needed}" in said

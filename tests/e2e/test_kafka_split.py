"""Ingest and workers, in processes of their own with a topic of windows between them, do what `run` does."""

from __future__ import annotations

import base64
import json
import random
import subprocess
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka_cluster import Kafka, wait_for
from kafka_split import MODEL, PATIENCE_S, Split, half, split
from kafka_worker import RATE, Sent, by_id, cut, interleaved, send, sound, undisturbed
from support import COMMAND, environment


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

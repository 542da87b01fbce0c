"""Workers that read audio from Kafka in processes of their own, and what they need."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.errors import KafkaError
from kafka_cluster import Kafka, wait_for
from support import COMMAND, environment

RATE = 11_025
LATEST = -1
NOBODY_KNOWS = 1
SESSION_S = 6  # after which a killed worker's partitions are another's
START_MS = int(time.time()) * 1000  # brokers delete what is older than a topic keeps
AUDIO = {"encoding": "s16le", "sample_rate": RATE, "channels": 1}


@dataclass(frozen=True)
class Sent:
    """One record of audio, or of something else."""

    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: tuple[tuple[str, bytes], ...] = ()
    partition: int | None = None


def sound(stream: int, seconds: float, rate: int = RATE) -> bytes:
    """A glide of its own for each stream, as s16le."""
    time_s = np.arange(round(seconds * rate)) / rate
    wave = np.sin(2 * np.pi * (200 + 90 * stream) * time_s * (1 + time_s / 40))
    return (9000 * wave).astype("<i2").tobytes()


def cut(key: str, audio: bytes, record_bytes: int, partition: int | None = None) -> list[Sent]:
    """The records of one stream, stamped when their first sample was heard, and its end."""
    starts = range(0, len(audio), record_bytes)
    records = [
        Sent(key.encode(), audio[at : at + record_bytes], START_MS + at * 500 // RATE, partition=partition)
        for at in starts
    ]
    return [*records, Sent(key.encode(), None, START_MS + len(audio) * 500 // RATE, partition=partition)]


def interleaved(streams: Sequence[Sequence[Sent]]) -> list[Sent]:
    """By time, as devices send side by side."""
    return sorted((record for stream in streams for record in stream), key=lambda record: record.timestamp_ms)


def send(kafka: Kafka, topic: str, records: Sequence[Sent]) -> None:
    """Write `records`, in order, and wait for acknowledgement."""
    producer = KafkaProducer(bootstrap_servers=kafka.servers, max_request_size=40_000_000, **kafka.client_options)
    try:
        for record in records:
            producer.send(
                topic,
                record.value,
                record.key,
                list(record.headers),
                partition=record.partition,
                timestamp_ms=record.timestamp_ms,
            )
        producer.flush()
    finally:
        producer.close()


def not_committed(kafka: Kafka, topic: str, group: str) -> int:
    """Records that the group has not committed yet."""
    admin = KafkaAdminClient(bootstrap_servers=kafka.servers, **kafka.client_options)
    try:
        partitions = admin.describe_topics([topic])[0]["partitions"]
        places = [TopicPartition(topic, number) for number in range(len(partitions))]
        ends = admin.list_partition_offsets(dict.fromkeys(places, LATEST))
        done = admin.list_group_offsets({group: places})[group]
    except KafkaError as error:  # a new broker's first group, a broker that is not back yet
        if not error.retriable:
            raise
        return NOBODY_KNOWS
    finally:
        admin.close()
    return sum(ends[p].offset - max(0, done[p].offset if done.get(p) else 0) for p in places)


@dataclass
class Workers:
    """Workers of one group, each with a file of events of its own."""

    kafka: Kafka
    folder: Path
    topic: str
    source: dict[str, object] = field(default_factory=dict)
    pipeline: dict[str, object] = field(default_factory=dict)
    group: str = field(default_factory=lambda: f"group-{uuid.uuid4().hex[:8]}")
    started: int = 0
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> subprocess.Popen[bytes]:
        """One more worker."""
        self.started += 1
        stem = self.folder / f"{self.group}-{self.started:02}"
        source = {
            "type": "kafka",
            "bootstrap_servers": self.kafka.servers,
            "topics": [self.topic],
            "group_id": self.group,
            "audio": AUDIO,
            "session_timeout_s": SESSION_S,
            "commit_interval_s": 0.2,
            **self.source,
        }
        config = {
            "name": "listen",
            "model": {"type": "fake", "window_s": 1.0},
            "window": {"hop_s": 0.4},
            "batch": {"max_wait_s": 0.05},
            "sources": [source],
            "sinks": [{"type": "jsonl", "path": str(stem.with_suffix(".jsonl"))}],
            "dead_letters": {"type": "jsonl", "path": str(stem.with_suffix(".dead"))},
            **self.pipeline,
        }
        stem.with_suffix(".yaml").write_text(yaml.safe_dump(config))
        with stem.with_suffix(".log").open("wb") as log:
            process = subprocess.Popen(
                [*COMMAND, "run", stem.with_suffix(".yaml")], stdout=log, stderr=log, env=environment()
            )
        self.running.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """kill -9."""
        process.kill()
        process.wait()
        self.running.remove(process)

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """SIGTERM; it must end well."""
        process.send_signal(signal.SIGTERM)
        status = process.wait(30)
        self.running.remove(process)
        assert status == 0, self.logs()

    def until_done(self, seconds: float = 60) -> None:
        """Wait until the group has committed all that is in the topic, then stop all workers."""
        try:
            wait_for(self._is_done, "the commit of all records", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.logs()}") from error
        for process in list(self.running):
            self.stop(process)

    def _is_done(self) -> bool:
        assert any(process.poll() is None for process in self.running), "no worker runs"
        return not_committed(self.kafka, self.topic, self.group) == 0

    def events(self, number: int | None = None) -> list[dict[str, object]]:
        """Whole lines of one worker, or of all, without the time at which they were made."""
        found = []
        which = "*" if number is None else f"{number:02}"
        for path in sorted(self.folder.glob(f"{self.group}-{which}.jsonl")):
            for line in path.read_text().splitlines(keepends=True):
                if line.endswith("\n"):
                    event = json.loads(line)
                    event["data"].pop("processed_at", None)
                    found.append(event)
        return found

    def dead_letters(self) -> list[dict[str, object]]:
        """Of all workers."""
        paths = sorted(self.folder.glob(f"{self.group}-*.dead"))
        return [json.loads(line) for path in paths for line in path.read_text().splitlines()]

    def logs(self) -> str:
        """What the workers said."""
        return "\n".join(path.read_text()[-2000:] for path in sorted(self.folder.glob(f"{self.group}-*.log")))


@contextmanager
def workers(kafka: Kafka, folder: Path, topic: str, **more: dict[str, object]) -> Iterator[Workers]:
    """A group without workers yet; those that still run at the end are killed."""
    group = Workers(kafka, folder, topic, **more)  # type: ignore[arg-type]
    try:
        yield group
    finally:
        for process in list(group.running):
            group.kill(process)


def by_id(events: Sequence[dict[str, object]]) -> dict[object, dict[str, object]]:
    """What each event says; repeats must say the same."""
    found: dict[object, dict[str, object]] = {}
    for event in events:
        assert found.setdefault(event["id"], event) == event
    return found


def undisturbed(kafka: Kafka, folder: Path, topic: str, **more: dict[str, object]) -> list[dict[str, object]]:
    """The events of one worker that nobody disturbs."""
    with workers(kafka, folder, topic, **more) as group:
        group.start()
        group.until_done()
        return group.events()

"""Workers that are killed at any moment: a reader of committed records sees each event once."""

from __future__ import annotations

import json
import random
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import OffsetSpec
from kafka_cluster import Kafka, wait_for
from kafka_worker import START_MS
from support import COMMAND, environment

from pengi_stream.kafka.client.producer import Record
from pengi_stream.kafka.client.reader import read_topic
from pengi_stream.kafka.security import SecurityConfig

RATE = 16_000
STREAMS, RECORDS = 8, 125  # of each stream; a record is half a second
KILLS = 4
EVENTS_OF_A_PART = STREAMS * (RECORDS // (KILLS + 1) - 3)  # at least: a window and the poison take three records
POISON = b"\x00\x01\x02"  # three bytes are no PCM of 16 bits
AUDIO = {"encoding": "s16le", "sample_rate": RATE, "channels": 1}


def tones(stream: int) -> list[bytes]:
    """Half a second each, every one of another frequency; one record of each stream is no audio."""
    time_s = np.arange(RATE // 2) / RATE
    found = []
    for number in range(RECORDS):
        wave = 8_000 * np.sin(2 * np.pi * (200 + 40 * stream + 20 * number) * time_s)
        found.append(wave.astype("<i2").tobytes())
    return [*found[:20], POISON, *found[20:]]


def feed(kafka: Kafka, topic: str, part: int, parts: int) -> None:
    """Part `part` of `parts` of all streams; the last one ends them."""
    producer = KafkaProducer(bootstrap_servers=kafka.servers)
    for stream in range(STREAMS):
        values = [*tones(stream), None]
        first, end = (n * len(values) // parts for n in (part, part + 1))
        for number in range(first, end):
            stamp_ms = START_MS + 500 * (number - (number > 20))
            producer.send(topic, values[number], f"stream-{stream}".encode(), timestamp_ms=stamp_ms)
    producer.flush()
    producer.close()


@pytest.fixture
def pipeline_of(kafka: Kafka, tmp_path: Path) -> Callable[[str, str, str], Path]:
    """Writes a pipeline from a topic to two others."""

    def write(audio: str, events: str, dead: str) -> Path:
        cluster = {"type": "kafka", "bootstrap_servers": kafka.servers}
        whole = {
            "name": "once",
            "model": {"type": "fake", "window_s": 1.0},
            "window": {"hop_s": 0.5},
            "sources": [
                {**cluster, "topics": [audio], "group_id": f"g-{events}", "audio": AUDIO, "session_timeout_s": 6}
            ],
            "sinks": [{**cluster, "topic": events}],
            "dead_letters": {**cluster, "topic": dead},
            "delivery": {"guarantee": "exactly_once"},
            "logging": {"level": "info"},
        }
        file = tmp_path / f"{events}.yaml"
        file.write_text(json.dumps(whole))
        return file

    return write


@contextmanager
def worker(file: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as lines:
        process = subprocess.Popen([*COMMAND, "run", str(file)], env=environment(), stdout=lines, stderr=lines)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def events(kafka: Kafka, topic: str) -> list[tuple[str, str]]:
    """Ids and texts that are committed, in order."""
    found = [json.loads(record.value or b"{}") for record in read_topic(kafka.servers, SecurityConfig(), topic)]
    return [(event["id"], str(event["data"].get("text", event["type"]))) for event in found]


def all_is_read(kafka: Kafka, audio: str, group: str) -> bool:
    """Whether the group has committed the end of each partition."""
    admin = KafkaAdminClient(bootstrap_servers=kafka.servers)
    try:
        offsets = admin.list_group_offsets(group)[group]
        partitions = [p for p in offsets if p.topic == audio]
        ends = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST)) if partitions else {}
        return len(partitions) == 2 and all(offsets[p].offset >= ends[p].offset for p in partitions)
    finally:
        admin.close()


@dataclass(frozen=True)
class Written:
    """What readers of committed records get."""

    events: list[tuple[str, str]]
    letters: list[Record]


@dataclass(frozen=True)
class Trial:
    """Runs workers over the same audio, which is fed meanwhile."""

    kafka: Kafka
    folder: Path
    write_pipeline: Callable[[str, str, str], Path]
    audio: str

    def run(self, name: str, disturb: Callable[[Path, Path, str], None] | None = None) -> Written:
        out, dead = self.kafka.new_topic(), self.kafka.new_topic()
        file, log = self.write_pipeline(self.audio, out, dead), self.folder / f"{name}.log"
        if disturb is not None:
            disturb(file, log, out)
        with worker(file, log) as process:

            def ended() -> bool:
                return process.poll() is not None or all_is_read(self.kafka, self.audio, f"g-{out}")

            wait_for(ended, name, 90)
            assert process.poll() is None, log.read_text()[-3000:]
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, log.read_text()[-3000:]
        for topic in (out, dead):
            wait_for(partial(nothing_is_open, self.kafka, topic), "the end of open transactions")
        return Written(events(self.kafka, out), list(read_topic(self.kafka.servers, SecurityConfig(), dead)))


@pytest.fixture
def trial(kafka: Kafka, tmp_path: Path, pipeline_of: Callable[[str, str, str], Path]) -> Trial:
    return Trial(kafka, tmp_path, pipeline_of, kafka.new_topic(partitions=2))


def assert_once_each(found: Written, calm: Written, why: str) -> None:
    assert len(calm.events) >= STREAMS * RECORDS
    assert Counter(found.events) == Counter(calm.events), why
    assert max(Counter(id_ for id_, _ in found.events).values()) == 1, why
    for each in (found, calm):
        assert sorted(letter.key or b"" for letter in each.letters) == [b"stream-%d" % n for n in range(STREAMS)], why


def nothing_is_open(kafka: Kafka, topic: str) -> bool:
    """Whether readers of committed records wait for no transaction: one that a killed worker left, the broker ends."""
    return end(kafka, topic, "read_committed") == end(kafka, topic, "read_uncommitted")


def end(kafka: Kafka, topic: str, level: str) -> int:
    """How far a reader of such a level sees; each transaction counts as a record more than it has."""
    place = TopicPartition(topic, 0)
    consumer = KafkaConsumer(bootstrap_servers=kafka.servers, isolation_level=level)
    try:
        return int(consumer.end_offsets([place])[place])
    finally:
        consumer.close()


def wait_for_records(kafka: Kafka, topic: str, wanted: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until `topic` has `wanted` records, committed or not; fails where the worker ends."""

    def there() -> bool:
        assert process.poll() is None, log.read_text()[-3000:]
        return end(kafka, topic, "read_uncommitted") >= wanted

    wait_for(there, f"{wanted} records", 60)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_workers_that_are_killed_leave_each_event_and_each_dead_letter_once(trial: Trial) -> None:
    kafka, seed = trial.kafka, random.randrange(1_000_000)
    kafka.needs("handing over of partitions")
    moments = random.Random(seed)

    def kill_some(file: Path, log: Path, out: str) -> None:
        for part in range(KILLS):
            feed(kafka, trial.audio, part, KILLS + 1)
            enough = end(kafka, out, "read_uncommitted") + moments.randrange(EVENTS_OF_A_PART)
            with worker(file, log) as process:
                wait_for_records(kafka, out, enough, process, log)
                process.send_signal(signal.SIGKILL)
        feed(kafka, trial.audio, KILLS, KILLS + 1)

    assert_once_each(trial.run("killed", kill_some), trial.run("calm"), f"seed {seed}")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_broker_that_is_killed_and_comes_back_leaves_each_event_and_each_dead_letter_once(trial: Trial) -> None:
    kafka = trial.kafka

    def kill_the_broker(file: Path, log: Path, out: str) -> None:
        feed(kafka, trial.audio, 0, 2)
        with worker(file, log) as process:
            wait_for_records(kafka, out, EVENTS_OF_A_PART, process, log)  # in the middle of the work
            kafka.kill()
            wait_for(lambda: "connection refused" in log.read_text(), "the worker saying what it waits for")
            kafka.restart()
            feed(kafka, trial.audio, 1, 2)
            assert process.poll() is None, log.read_text()[-3000:]
            process.send_signal(signal.SIGKILL)

    assert_once_each(trial.run("broker", kill_the_broker), trial.run("calm"), "broker")

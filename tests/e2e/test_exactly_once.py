"""Workers that are killed at any moment: a reader of committed records sees each event once."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import threading
import time
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
from support import COMMAND, environment

from pengi_stream.kafka.client.producer import Record
from pengi_stream.kafka.client.reader import read_topic
from pengi_stream.kafka.security import SecurityConfig

RATE = 16_000
STREAMS, RECORDS = 8, 125  # of each stream; a record is half a second
KILLS = 4
SHORTEST_LIFE_S, LONGEST_LIFE_S = 6.5, 10.0  # a worker that was killed keeps its partitions for 6 s
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


def feed(kafka: Kafka, topic: str, seconds: float) -> None:
    """All records of all streams, spread over `seconds`."""
    producer = KafkaProducer(bootstrap_servers=kafka.servers)
    began_ms = round(time.time() * 1000)  # what is older than a topic keeps, the broker deletes
    for number, values in enumerate(zip(*(tones(stream) for stream in range(STREAMS)), strict=True)):
        for stream, value in enumerate(values):
            stamp_ms = began_ms + 500 * (number - (number > 20))
            producer.send(topic, value, f"stream-{stream}".encode(), timestamp_ms=stamp_ms)
        time.sleep(seconds / RECORDS)
    for stream in range(STREAMS):
        producer.send(topic, None, f"stream-{stream}".encode(), timestamp_ms=began_ms + 500 * RECORDS)
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

    def run(self, name: str, feeder: threading.Thread, disturb: Callable[[Path, Path], None] | None = None) -> Written:
        out, dead = self.kafka.new_topic(), self.kafka.new_topic()
        file, log = self.write_pipeline(self.audio, out, dead), self.folder / f"{name}.log"
        if disturb is not None:
            disturb(file, log)
        with worker(file, log) as process:
            feeder.join()

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


def fed(trial: Trial, seconds: float) -> threading.Thread:
    feeder = threading.Thread(target=feed, args=(trial.kafka, trial.audio, seconds))
    feeder.start()
    return feeder


def assert_once_each(found: Written, calm: Written, why: str) -> None:
    assert len(calm.events) >= STREAMS * RECORDS
    assert Counter(found.events) == Counter(calm.events), why
    assert max(Counter(id_ for id_, _ in found.events).values()) == 1, why
    for each in (found, calm):
        assert sorted(letter.key or b"" for letter in each.letters) == [b"stream-%d" % n for n in range(STREAMS)], why


def nothing_is_open(kafka: Kafka, topic: str) -> bool:
    """Whether readers of committed records wait for no transaction: one that a killed worker left, the broker ends."""
    place = TopicPartition(topic, 0)
    ends = []
    for level in ("read_committed", "read_uncommitted"):
        consumer = KafkaConsumer(bootstrap_servers=kafka.servers, isolation_level=level)
        ends.append(consumer.end_offsets([place])[place])
        consumer.close()
    return ends[0] == ends[1]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_workers_that_are_killed_leave_each_event_and_each_dead_letter_once(trial: Trial) -> None:
    trial.kafka.needs("handing over of partitions")
    seed = random.randrange(1_000_000)
    moments = random.Random(seed)

    def kill_some(file: Path, log: Path) -> None:
        for _ in range(KILLS):
            with worker(file, log) as process:
                time.sleep(moments.uniform(SHORTEST_LIFE_S, LONGEST_LIFE_S))  # a moment that nobody chose
                process.send_signal(signal.SIGKILL)

    feeder = fed(trial, KILLS * LONGEST_LIFE_S)
    assert_once_each(trial.run("killed", feeder, kill_some), trial.run("calm", feeder), f"seed {seed}")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_broker_that_is_killed_and_comes_back_leaves_each_event_and_each_dead_letter_once(trial: Trial) -> None:
    kafka, feeder = trial.kafka, fed(trial, 2 * LONGEST_LIFE_S)

    def kill_the_broker(file: Path, log: Path) -> None:
        with worker(file, log) as process:
            time.sleep(SHORTEST_LIFE_S)  # in the middle of the work
            kafka.kill()
            wait_for(lambda: "connection refused" in log.read_text(), "the worker saying what it waits for")
            kafka.restart()
            feeder.join()
            assert process.poll() is None, log.read_text()[-3000:]
            process.send_signal(signal.SIGKILL)

    assert_once_each(trial.run("broker", feeder, kill_the_broker), trial.run("calm", feeder), "broker")

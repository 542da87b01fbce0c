"""Workers that are killed at any moment: a reader of committed records sees each event once."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import OffsetSpec
from kafka_cluster import Kafka, wait_for
from support import COMMAND, environment

from pengi_stream.broker.producer import Record
from pengi_stream.broker.reader import read_topic
from pengi_stream.broker.security import SecurityConfig

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


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_workers_that_are_killed_leave_each_event_and_each_dead_letter_once(
    kafka: Kafka, tmp_path: Path, pipeline_of: Callable[[str, str, str], Path]
) -> None:
    audio = kafka.new_topic(partitions=2)
    feeder = threading.Thread(target=feed, args=(kafka, audio, KILLS * LONGEST_LIFE_S))
    feeder.start()
    seed = random.randrange(1_000_000)
    moments = random.Random(seed)

    def run(name: str, lives_s: Sequence[float]) -> tuple[list[tuple[str, str]], list[Record]]:
        out, dead = kafka.new_topic(), kafka.new_topic()
        file, log = pipeline_of(audio, out, dead), tmp_path / f"{name}.log"
        for life_s in lives_s:
            with worker(file, log) as process:
                time.sleep(life_s)  # a moment that nobody chose, not something to wait for
                process.send_signal(signal.SIGKILL)
        with worker(file, log) as process:
            feeder.join()
            wait_for(lambda: process.poll() is not None or all_is_read(kafka, audio, f"g-{out}"), name, 90)
            assert process.poll() is None, log.read_text()[-3000:]
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, log.read_text()[-3000:]
        return events(kafka, out), list(read_topic(kafka.servers, SecurityConfig(), dead))

    killed, letters = run("killed", [moments.uniform(SHORTEST_LIFE_S, LONGEST_LIFE_S) for _ in range(KILLS)])
    calm, calm_letters = run("calm", [])
    assert len(calm) >= STREAMS * RECORDS
    assert Counter(killed) == Counter(calm), f"seed {seed}"
    assert max(Counter(id_ for id_, _ in killed).values()) == 1, f"seed {seed}"
    for found in (letters, calm_letters):
        assert sorted(letter.key or b"" for letter in found) == [b"stream-%d" % n for n in range(STREAMS)]

"""The pipelines that we ship, run against a real broker as they stand, but for its port, their topics and the model."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from kafka_cluster import Kafka, free_ports, wait_for
from kafka_talk import send_audio, texts_in
from ledgers import ledgers_of
from pulse import Pulse
from support import COMMAND, environment

ROOT = Path(__file__).parents[2]
FAKE = ("--set", "model={type: fake, window_s: 2}")


def texts(kafka: Kafka, topic: str) -> list[dict[str, Any]]:
    return texts_in(kafka.servers, topic, **kafka.client_options)


def sample(scrape: str, name: str) -> float:
    """The value of a metric without labels."""
    found = [line.split(" ")[1] for line in scrape.splitlines() if line.startswith(f"{name} ")]
    return float(found[0])


def places(kafka: Kafka, audio: str, topic: str, port: int) -> list[str]:
    """What of kafka-to-kafka.yaml is another here."""
    return [
        f"sources.0.bootstrap_servers={kafka.bootstrap}",
        f"sources.0.topics=[{audio}]",
        f"sources.0.group_id={audio}",
        f"sinks.0.bootstrap_servers={kafka.bootstrap}",
        f"sinks.0.topic={topic}",
        f"dead_letters.topic={kafka.new_topic()}",
        f"server.port={port}",
    ]


@contextmanager
def running(
    command: str, pipeline: str, sets: Sequence[str], env: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """`pengi-stream COMMAND PIPELINE --set ...` with the fake model, killed at the end if it still runs."""
    words = [*COMMAND, command, pipeline, *(word for each in sets for word in ("--set", each))]
    with subprocess.Popen([*words, *FAKE], cwd=ROOT, env=env or environment()) as process:
        try:
            yield process
        finally:
            process.kill()


def test_files_become_events_in_kafka(kafka: Kafka, tmp_path: Path) -> None:
    topic = kafka.new_topic()
    sets = [
        f"sinks.0.bootstrap_servers={kafka.bootstrap}",
        f"sinks.0.topic={topic}",
        f"dead_letters.path={tmp_path}/dead",
    ]
    command = [*COMMAND, "run", "pipelines/files-to-kafka.yaml", *FAKE]
    command += [word for each in sets for word in ("--set", each)]
    subprocess.run(command, cwd=ROOT, env=environment(), check=True, timeout=100)
    found = texts(kafka, topic)
    assert {event["subject"] for event in found} == {"demo"}
    starts = [event["data"]["offset_s"] for event in found]
    assert starts == sorted(starts)
    assert len(starts) > 20  # a window each second of 40, less the silence


def test_what_the_microphone_hears_becomes_events_in_kafka(kafka: Kafka, pulse: Pulse) -> None:
    topic = kafka.new_topic()
    sets = [f"sinks.0.bootstrap_servers={kafka.bootstrap}", f"sinks.0.topic={topic}"]
    with pulse.tone(440), running("run", "pipelines/mic-to-kafka.yaml", sets, pulse.env) as process:
        wait_for(lambda: texts(kafka, topic), "an event")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert " 440 Hz" in str(texts(kafka, topic)[0]["data"])


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
def test_audio_in_a_topic_becomes_events_in_another(kafka: Kafka, guarantee: str) -> None:
    audio, topic = kafka.new_topic(), kafka.new_topic()
    [port] = free_ports(1)
    sets = [*places(kafka, audio, topic, port), f"delivery.guarantee={guarantee}"]
    send_audio(kafka.servers, audio, 7, **kafka.client_options)
    with running("run", "pipelines/kafka-to-kafka.yaml", sets) as process:
        wait_for(lambda: len(texts(kafka, topic)) >= 6, "six events")
        client = httpx2.Client(base_url=f"http://127.0.0.1:{port}")
        wait_for(lambda: client.get("/readyz").status_code == 200, "readiness")
        lag = f'pengi_stream_lag_records{{partition="{audio}/0"}} 0.0'
        wait_for(lambda: lag in client.get("/metrics").text, "the lag")
        for ledger in ledgers_of(scrape := client.get("/metrics").text).values():
            ledger.assert_balanced()
        assert sample(scrape, "pengi_stream_end_to_end_seconds_count") >= 6
        assert sample(scrape, "pengi_stream_rebalances_total") >= 1
        wait_for(lambda: sample(client.get("/metrics").text, "pengi_stream_commit_seconds_count") > 0, "a commit")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    found = texts(kafka, topic)
    assert {event["subject"] for event in found} == {"kitchen"}
    assert [event["data"]["offset_s"] for event in found] == [0, 1, 2, 3, 4, 5]


@pytest.mark.slow
def test_a_worker_says_that_it_waits_for_a_broker_that_died_and_goes_on_when_it_is_back(kafka: Kafka) -> None:
    audio, topic = kafka.new_topic(), kafka.new_topic()
    [port] = free_ports(1)
    client = httpx2.Client(base_url=f"http://127.0.0.1:{port}")
    with running("run", "pipelines/kafka-to-kafka.yaml", places(kafka, audio, topic, port)):
        wait_for(lambda: status(client, "/readyz") == 200, "readiness")
        kafka.kill()
        wait_for(lambda: status(client, "/readyz") == 503, "a missed broker")
        wait_for(lambda: "connection refused" in str(client.get("/readyz").json()["waits_for"]), "the reason")
        assert client.get("/readyz").json()["sources"]["kafka"]["state"] == "stalled"
        assert client.get("/livez").status_code == 200
        kafka.restart()
        wait_for(lambda: status(client, "/readyz") == 200, "readiness again", seconds=60)
        send_audio(kafka.servers, audio, 4, **kafka.client_options)
        wait_for(lambda: len(texts(kafka, topic)) == 3, "three events")


def status(client: httpx2.Client, path: str) -> int:
    """0: nobody answers yet."""
    try:
        return client.get(path).status_code
    except httpx2.ConnectError:
        return 0

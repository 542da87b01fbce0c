"""The pipelines that we ship, run against a real broker as they stand, but for its port, their topics and the model."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition
from kafka_cluster import Kafka
from support import COMMAND, environment

ROOT = Path(__file__).parents[2]
FAKE = ("--set", "model={type: fake, window_s: 2}")


def events(kafka: Kafka, topic: str) -> list[dict[str, object]]:
    """All events of a topic with one partition."""
    place = TopicPartition(topic, 0)
    consumer = KafkaConsumer(bootstrap_servers=kafka.servers, isolation_level="read_committed", **kafka.client_options)
    try:
        consumer.assign([place])
        consumer.seek_to_beginning(place)
        found: list[dict[str, object]] = []
        while consumer.position(place) < consumer.end_offsets([place])[place]:
            found += [json.loads(record.value) for record in consumer.poll(1000).get(place, ())]
        return found
    finally:
        consumer.close()


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
    found = events(kafka, topic)
    assert {event["subject"] for event in found} == {"demo"}
    starts = [event["data"]["offset_s"] for event in found]  # type: ignore[index]
    assert starts == sorted(starts)
    assert len(starts) > 20  # a window each second of 40, less the silence

"""A worker that is told to stop hands over all that it did: whoever reads on repeats nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from kafka_cluster import Kafka, wait_for
from kafka_split import MODEL, PATIENCE_S, split
from kafka_worker import Sent, by_id, cut, interleaved, send, sound, undisturbed, workers

STOPS = 6
STREAMS = 6
RECORDS = 8 * (STOPS + 1)  # of each stream


def recording() -> list[Sent]:
    return interleaved([cut(f"device-{n}", sound(n, RECORDS * 8_000 / 22_050), 8_000) for n in range(STREAMS)])


def parts(records: Sequence[Sent]) -> list[Sequence[Sent]]:
    """One for each life of a worker."""
    size = -(-len(records) // (STOPS + 1))
    return [records[start : start + size] for start in range(0, len(records), size)]


def ids(events: Sequence[dict[str, object]]) -> Counter[object]:
    return Counter(event["id"] for event in events)


def repeats(events: Sequence[dict[str, object]]) -> int:
    return sum(count - 1 for count in ids(events).values())


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("prompt", [{}, {"only_changes": True}])
def test_run_repeats_nothing_when_it_is_stopped_again_and_again(
    kafka: Kafka, tmp_path: Path, prompt: dict[str, object]
) -> None:
    pipeline: dict[str, object] = {"prompts": [{"id": "caption", "task": "caption", **prompt}]}
    topic = kafka.new_topic(3)
    with workers(kafka, tmp_path, topic, pipeline=pipeline) as group:
        for number, records in enumerate(parts(recording()), start=1):
            send(kafka, topic, records)
            worker = group.start()
            wait_for(lambda n=number: group.events(n), f"an event of worker {number}\n{group.logs()}", PATIENCE_S)
            if number <= STOPS:
                group.stop(worker)
        group.until_done(PATIENCE_S)
        found = group.events()
    assert repeats(found) == 0
    assert by_id(found) == by_id(undisturbed(kafka, tmp_path, topic, pipeline=pipeline))


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_worker_behind_ingest_repeats_nothing_when_it_is_stopped_again_and_again(
    kafka: Kafka, tmp_path: Path
) -> None:
    audio = kafka.new_topic(3)
    with split(kafka, tmp_path, partitions=3) as halves:
        halves.ingest_topic(audio)
        for number, records in enumerate(parts(recording()), start=1):
            before = len(halves.events())
            send(kafka, audio, records)
            worker = halves.worker()
            wait_for(
                lambda b=before: len(halves.events()) > b, f"an event of worker {number}\n{halves.logs()}", PATIENCE_S
            )
            if number <= STOPS:
                halves.stop(worker)
        halves.until_committed(audio, "ingest")
        halves.until_committed(halves.windows, "worker")
        halves.stop_all()
        found = halves.events()
    assert repeats(found) == 0
    assert by_id(found) == by_id(undisturbed(kafka, tmp_path, audio, pipeline={"model": MODEL}))

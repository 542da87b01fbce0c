"""Workers that are killed, join and leave lose nothing, and repeat only what says the same."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from kafka_cluster import Kafka, wait_for
from kafka_worker import Sent, Workers, by_id, cut, interleaved, not_committed, send, sound, undisturbed, workers

KILLS = int(os.environ.get("PENGI_TEST_KILLS", "3"))  # 20 for the figures in docs/reliability.md
STREAMS = 8
RECORDS = 50 * KILLS  # of all streams: 1,000 and the ends at 20 kills
RECORD_BYTES = 8_000  # 0.36 s
PATIENCE_S = 60 + 15 * KILLS


def streams(records: int) -> list[Sent]:
    each = records // STREAMS
    return interleaved(
        [cut(f"device-{n}", sound(n, each * RECORD_BYTES / 22_050), RECORD_BYTES) for n in range(STREAMS)]
    )


@contextmanager
def sending(kafka: Kafka, topic: str, records: Sequence[Sent], a_second: float) -> Iterator[threading.Thread]:
    """Devices that send while workers come and go."""
    stop = threading.Event()

    def feed() -> None:
        for start in range(0, len(records), 8):
            send(kafka, topic, records[start : start + 8])
            if stop.wait(8 / a_second):
                return

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join()


def works(group: Workers, number: int, events: int = 1) -> bool:
    """Whether that worker has written so many events."""
    return len(group.events(number)) >= events


@pytest.mark.slow
@pytest.mark.timeout(PATIENCE_S)
def test_a_worker_that_is_killed_at_any_moment_changes_no_event(kafka: Kafka, tmp_path: Path) -> None:
    kafka.needs("handing over of partitions")
    moments = random.Random(7)
    topic = kafka.new_topic(4)
    records = streams(RECORDS)
    with workers(kafka, tmp_path, topic) as group, sending(kafka, topic, records, a_second=6) as feed:
        for number in range(1, KILLS + 1):
            worker = group.start()
            works_enough = partial(works, group, number, events=moments.randint(1, 8))
            wait_for(works_enough, f"the events of worker {number}\n{group.logs()}", 40)
            group.kill(worker)
        feed.join()
        group.start()
        group.until_done(PATIENCE_S)
        found = by_id(group.events())
    expected = by_id(undisturbed(kafka, tmp_path, topic))
    assert found.keys() == expected.keys()
    assert found == expected
    assert len(expected) > RECORDS // 2


@pytest.mark.slow
def test_workers_that_join_and_leave_lose_nothing_and_keep_the_order_of_each_stream(
    kafka: Kafka, tmp_path: Path
) -> None:
    kafka.needs("handing over of partitions")
    topic = kafka.new_topic(6)
    records = streams(320)
    with workers(kafka, tmp_path, topic) as group, sending(kafka, topic, records, a_second=25) as feed:
        first = group.start()
        wait_for(lambda: works(group, 1), "an event of the first worker", 40)
        second = group.start()
        wait_for(lambda: works(group, 2), "an event of the second worker", 40)
        group.stop(first)
        third = group.start()
        wait_for(lambda: works(group, 3), "an event of the third worker", 40)
        group.kill(second)
        feed.join()
        group.until_done()
        assert third.returncode == 0
        found = group.events()
    expected = undisturbed(kafka, tmp_path, topic)
    assert by_id(found) == by_id(expected)
    for number in (1, 2, 3):
        assert_in_order(group.events(number))
    assert not_committed(kafka, topic, group.group) == 0


def assert_in_order(events: Sequence[dict[str, object]]) -> None:
    """Of one worker: within each stream, text after text, but for repeats; what a run of time was comes behind it."""
    seen: dict[object, list[int]] = {}
    for event in (event for event in events if event["type"] == "pengi_stream.text"):
        data = event["data"]
        assert isinstance(data, dict)
        if data["first_sample"] not in seen.setdefault(event["subject"], []):
            seen[event["subject"]].append(data["first_sample"])
    for samples in seen.values():
        assert all(a < b for a, b in pairwise(samples))

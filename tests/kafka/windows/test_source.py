"""Windows from Kafka: a clean stop, and a partition that goes to another worker, leave nothing to be done again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from kafka_cluster import Kafka, wait_for
from kafka_parts import AtOnce
from kafka_worker import not_committed

from pengi_stream.clock import Deadline
from pengi_stream.errors import ConfigError
from pengi_stream.kafka.windows.sink_config import WindowsSinkConfig
from pengi_stream.kafka.windows.source_config import WindowsSourceConfig
from pengi_stream.outcomes import WindowItem
from pengi_stream.testing import check_window_sink, check_window_source, context
from pengi_stream.types import NS_PER_S, Resumed, Revoked, Stream, StreamState, Window, WindowShape

SHAPE = WindowShape(8_000, 800)


def window(stream: int, number: int) -> Window:
    start_ns = number * NS_PER_S // 10
    samples = np.full(SHAPE.samples, 0.5, np.float32)
    return Window(
        Stream(f"s{stream}"), 0, 800 * number, samples, 800, 8_000, start_ns, start_ns + NS_PER_S // 10, ready_s=0.0
    )


def send(kafka: Kafka, topic: str, windows: list[Window]) -> None:
    config = {"type": "windows", "bootstrap_servers": kafka.servers, "topic": topic, "encoding": "l16"}
    sink = WindowsSinkConfig.model_validate(config).build(context(shape=SHAPE))
    sink.write(windows)
    sink.flush(Deadline(20))
    sink.close()


class Reading:
    """A source whose windows are done as soon as they come."""

    def __init__(self, kafka: Kafka, topic: str, **more: object) -> None:
        config = {
            "type": "windows", "bootstrap_servers": kafka.servers, "topics": [topic], "group_id": topic,
            "session_timeout_s": 6, **more,
        }  # fmt: skip
        self.progress = AtOnce()
        self.source = WindowsSourceConfig.model_validate(config).build(context(shape=SHAPE, progress=self.progress))
        self.items: list[WindowItem | Resumed | Revoked] = []
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self) -> None:
        for item in self.source.windows():
            self.items.append(item)
            self.progress.take(item)


@contextmanager
def reading(kafka: Kafka, topic: str, **more: object) -> Iterator[Reading]:
    found = Reading(kafka, topic, **more)
    try:
        yield found
    finally:
        found.source.close()
        found.thread.join(10)
        found.source.finish(Deadline(10))


def windows(found: Reading) -> list[Window]:
    return [item for item in found.items if isinstance(item, Window)]


def test_the_contracts_of_both_ends_are_kept(kafka: Kafka) -> None:
    topic = kafka.new_topic()
    where = {"type": "windows", "bootstrap_servers": kafka.servers}
    check_window_sink(WindowsSinkConfig.model_validate({**where, "topic": topic}))
    source = WindowsSourceConfig.model_validate({**where, "topics": [topic], "group_id": topic})
    assert check_window_source(source, close_after=4)


def test_a_clean_stop_commits_what_is_done_though_no_commit_was_due(kafka: Kafka) -> None:
    topic = kafka.new_topic()
    send(kafka, topic, [window(0, number) for number in range(5)])
    with reading(kafka, topic, commit_interval_s=3600) as found:
        wait_for(lambda: len(found.items) == 5, "the windows")
    assert not_committed(kafka, topic, topic) == 0


def test_what_becomes_another_workers_is_committed_before(kafka: Kafka) -> None:
    topic = kafka.new_topic(4)
    send(kafka, topic, [window(stream, 0) for stream in range(16)])
    with reading(kafka, topic, commit_interval_s=3600) as first:
        wait_for(lambda: len(first.items) == 16, "the windows")
        with reading(kafka, topic, commit_interval_s=3600) as second:
            wait_for(lambda: len(first.progress.revoked) == 2, "two partitions that move")
            send(kafka, topic, [window(stream, 1) for stream in range(16)])
            wait_for(lambda: len(windows(first)) + len(windows(second)) >= 32, "all windows")
    heard = [(item.stream.id, item.first_sample) for item in [*windows(first), *windows(second)]]
    assert len(heard) == len(set(heard)) == 32
    assert windows(second)


def test_what_the_stages_behind_know_of_a_stream_is_told_to_who_reads_on(kafka: Kafka) -> None:
    topic = kafka.new_topic()
    send(kafka, topic, [window(0, 0)])
    known = StreamState(Stream("s0"), 1, 0, (("changes", ("a dog", 3)),))
    with reading(kafka, topic) as found:
        wait_for(lambda: windows(found), "the window")
        found.progress.know(f"{topic}/0", known)
    with reading(kafka, topic) as again:
        wait_for(lambda: again.items, "the state")
    [resumed] = again.items
    assert isinstance(resumed, Resumed)
    assert resumed.state == known


def test_a_source_without_the_windows_shape_is_refused() -> None:
    config = {"type": "windows", "bootstrap_servers": "127.0.0.1:9092", "topics": ["windows"], "group_id": "g"}
    with pytest.raises(ConfigError, match="shape"):
        WindowsSourceConfig.model_validate(config).build(context(shape=None))

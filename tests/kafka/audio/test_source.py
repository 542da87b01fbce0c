"""The source against a real broker: where it begins, what it does without one, and what it commits."""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kafka_cluster
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError
from kafka_cluster import Kafka, OwnCluster, wait_for
from kafka_parts import AtOnce
from kafka_worker import AUDIO, START_MS, Sent, not_committed, send

from pengi_stream.clock import Deadline, rfc3339
from pengi_stream.errors import SourceError
from pengi_stream.kafka.audio.config import KafkaSourceConfig
from pengi_stream.kafka.client.reader import read_topic
from pengi_stream.kafka.security import SecurityConfig
from pengi_stream.metrics import Metrics
from pengi_stream.testing import check_source, context
from pengi_stream.types import Frame, Gap, Resumed, Revoked, SourceItem, StreamState

SECOND = b"\x01\x00" * 11_025


class Reading:
    """A source that is read by a thread, and whose items are done as soon as they come."""

    def __init__(self, kafka: Kafka, topic: str, **config: object) -> None:
        whole = {
            "type": "kafka",
            "bootstrap_servers": kafka.servers,
            "topics": [topic],
            "group_id": topic,
            "audio": AUDIO,
            "session_timeout_s": 6,
            "commit_interval_s": 0.1,
            **config,
        }
        self.metrics = Metrics()
        self.progress = AtOnce()
        self.source = KafkaSourceConfig.model_validate(whole).build(
            context(metrics=self.metrics, progress=self.progress)
        )
        self.items: list[SourceItem] = []
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def frames(self) -> list[Frame]:
        return [item for item in self.items if isinstance(item, Frame)]

    def finish(self) -> None:
        self.source.close()
        self._thread.join(10)
        self.source.finish(Deadline(10))
        assert not self._thread.is_alive()
        assert self.source.status().state == "stopped"

    def _read(self) -> None:
        try:
            for item in self.source.frames():
                self.items.append(item)
                self.progress.take(item)
        except SourceError as error:
            self.error = error


@contextmanager
def reading(kafka: Kafka, topic: str, **config: object) -> Iterator[Reading]:
    """Its items are read until the block ends."""
    found = Reading(kafka, topic, **config)
    try:
        yield found
    finally:
        found.finish()


def seconds(first: int, n: int, key: bytes = b"a") -> list[Sent]:
    return [Sent(key, SECOND, START_MS + 1000 * (first + i)) for i in range(n)]


def test_the_source_keeps_its_contract(kafka: Kafka) -> None:
    topic = kafka.new_topic()
    send(kafka, topic, [*seconds(0, 3), Sent(b"a", None, START_MS + 3000)])
    config = {"type": "kafka", "bootstrap_servers": kafka.servers, "topics": [topic], "group_id": topic, "audio": AUDIO}
    items = check_source(KafkaSourceConfig.model_validate(config), close_after=4)
    assert [type(item).__name__ for item in items] == ["Frame", "Frame", "Frame", "StreamEnd"]


@pytest.mark.parametrize(
    ("start", "first"), [("earliest", 0), (rfc3339((START_MS + 3000) * 10**6), 3)], ids=["earliest", "a time"]
)
def test_a_new_group_begins_where_it_is_told(kafka: Kafka, start: str, first: int) -> None:
    topic = kafka.new_topic()
    send(kafka, topic, seconds(0, 5))
    with reading(kafka, topic, start=start) as found:
        wait_for(lambda: len(found.frames()) == 5 - first, "the frames")
        assert found.frames()[0].time.at(0) == (START_MS + 1000 * first) * 10**6


def test_a_group_that_begins_with_the_latest_keeps_that_place_though_it_heard_nothing(kafka: Kafka) -> None:
    topic = kafka.new_topic()
    send(kafka, topic, seconds(0, 5))
    with reading(kafka, topic, start="latest"):
        wait_for(lambda: not_committed(kafka, topic, topic) == 0, "the commit of the place")
    send(kafka, topic, seconds(5, 2))
    with reading(kafka, topic, start="latest") as found:
        wait_for(lambda: len(found.frames()) == 2, "the frames that came meanwhile")


def test_a_group_that_must_have_committed_and_has_not_is_refused(kafka: Kafka) -> None:
    topic = kafka.new_topic()
    with reading(kafka, topic, start="committed") as found:
        wait_for(lambda: found.error, "the error")
    assert "committed no offset" in str(found.error)


def test_topics_may_be_named_by_a_pattern(kafka: Kafka) -> None:
    family = uuid.uuid4().hex[:8]
    topics = [kafka.create_topic(f"{family}-{n}") for n in range(2)]
    for topic in topics:
        send(kafka, topic, seconds(0, 1, topic.encode()))
    with reading(kafka, topics[0], topics=[], pattern=f"^{family}-.*") as found:
        wait_for(lambda: {frame.stream.id for frame in found.frames()} == set(topics), "a frame of each topic")
        topics.append(kafka.create_topic(f"{family}-2"))
        send(kafka, topics[2], seconds(0, 1, topics[2].encode()))
        wait_for(lambda: {frame.stream.id for frame in found.frames()} == set(topics), "the new topic's frame", 30)


def test_streams_that_an_offset_has_no_room_for_are_kept_in_a_topic(kafka: Kafka) -> None:
    topic, state_topic = kafka.new_topic(), f"state-{uuid.uuid4().hex[:8]}"
    keys = [uuid.uuid4().hex.encode() for _ in range(300)]
    send(kafka, topic, [record for key in keys for record in seconds(0, 1, key)])
    with reading(kafka, topic, state_topic=state_topic) as found:
        wait_for(lambda: not_committed(kafka, topic, topic) == 0, "the commit")
        assert len(found.frames()) == 300
    assert [record.key for record in read_topic(kafka.servers, SecurityConfig(), state_topic)]
    send(kafka, topic, [record for key in keys for record in seconds(1, 1, key)])
    with reading(kafka, topic, state_topic=state_topic) as again:
        wait_for(lambda: len(again.frames()) == 300, "the next frames")
    assert {frame.first_sample for frame in again.frames()} == {11_025}
    assert {frame.stream for frame in again.frames()} == {frame.stream for frame in found.frames()}


def test_what_is_done_of_a_stream_is_told_to_who_reads_on(kafka: Kafka) -> None:
    topic = kafka.new_topic()
    send(kafka, topic, seconds(0, 2))
    with reading(kafka, topic) as found:
        wait_for(lambda: len(found.frames()) == 2, "the frames")
        frame = found.frames()[1]
        found.progress.know(f"{topic}/0", StreamState(frame.stream, 1234, 9))
    with reading(kafka, topic) as again:
        wait_for(lambda: again.items, "the state")
    [resumed] = again.items
    assert isinstance(resumed, Resumed)
    assert resumed.state == StreamState(frame.stream, 1234, 9)


def test_a_rebalance_moves_what_it_must_and_the_rest_goes_on_as_if_nothing_had_happened(kafka: Kafka) -> None:
    kafka.needs("handing over of partitions")
    topic = kafka.new_topic(4)

    def rounds(first: int) -> list[Sent]:
        return [Sent(b"%d" % n, SECOND, START_MS + 1000 * first, partition=n) for n in range(4)]

    send(kafka, topic, rounds(0))
    with reading(kafka, topic) as first:
        wait_for(lambda: len(first.frames()) == 4, "the first round")
        wait_for(lambda: not_committed(kafka, topic, topic) == 0, "the commit")
        with reading(kafka, topic) as second:
            wait_for(lambda: len(revoked(first)) == 2, "two streams that move")
            send(kafka, topic, rounds(1))
            wait_for(lambda: len(first.frames()) == 6, "the second round of those that stayed")
            wait_for(lambda: len(second.frames()) == 2, "the second round of those that moved")
            moved = {frame.stream.id for frame in second.frames()}
            assert moved == set(revoked(first))
            assert {frame.first_sample for frame in [*first.frames()[4:], *second.frames()]} == {11_025}
        send(kafka, topic, rounds(2))
        wait_for(lambda: len(first.frames()) == 10, "the third round, of all")
        assert {frame.first_sample for frame in first.frames()[6:]} == {22_050}
        assert first.metrics.registry.get_sample_value("pengi_stream_rebalances_total") == 3
    assert {frame.stream for frame in second.frames()} < {frame.stream for frame in first.frames()}


def revoked(found: Reading) -> list[str]:
    return [item.stream.id for item in found.items if isinstance(item, Revoked)]


def test_records_that_were_deleted_before_they_were_read_are_a_gap(kafka: Kafka) -> None:
    topic = kafka.new_topic()
    send(kafka, topic, seconds(0, 2))
    with reading(kafka, topic) as found:
        wait_for(lambda: not_committed(kafka, topic, topic) == 0, "the commit")
    send(kafka, topic, seconds(2, 8))
    admin = KafkaAdminClient(bootstrap_servers=kafka.servers, **kafka.client_options)
    try:
        admin.delete_records({TopicPartition(topic, 0): 7})
    finally:
        admin.close()
    with reading(kafka, topic) as found:
        wait_for(lambda: len(found.frames()) == 3, "the frames that are left")
    [gap] = [item for item in found.items if isinstance(item, Gap)]
    assert (gap.first_sample, gap.missing_samples) == (2 * 11_025, 5 * 11_025)
    assert "offsets 2 to 6" in gap.reason
    assert "deleted" in gap.reason


def test_a_topic_that_is_missing_is_named_at_once(kafka: Kafka) -> None:
    with reading(kafka, "no-such-topic") as found:
        wait_for(lambda: found.error, "the error", 12)
    assert "no-such-topic" in str(found.error)


def test_a_topic_that_is_deleted_is_waited_for_by_name_and_patience_ends(kafka: Kafka) -> None:
    kafka.needs("deletion of topics in use")
    topic = kafka.new_topic()
    send(kafka, topic, seconds(0, 1))
    with reading(kafka, topic, give_up_after_s=3) as found:
        wait_for(found.frames, "the frame")
        admin = KafkaAdminClient(bootstrap_servers=kafka.servers, **kafka.client_options)
        admin.delete_topics([topic])
        admin.close()
        wait_for(lambda: found.source.status().state == "stalled", "the stall")
        assert topic in found.source.status().waits_for
        wait_for(lambda: found.error, "the error", 15)
    assert f"no topic '{topic}'" in str(found.error)
    assert "gave up after 3 s" in str(found.error)


def test_without_a_broker_the_state_says_what_is_waited_for_and_patience_ends() -> None:
    nowhere = Kafka("127.0.0.1:9", "nowhere")
    with reading(nowhere, "audio", give_up_after_s=3) as found:
        wait_for(lambda: found.source.status().state == "stalled", "the stall")
        assert "127.0.0.1:9" in found.source.status().waits_for
        wait_for(lambda: found.error, "the error", 15)
    assert "127.0.0.1:9" in str(found.error)


def test_a_broker_that_falls_silent_while_we_connect_is_asked_again(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = kafka.new_topic()
    send(kafka, topic, seconds(0, 3))
    answers = iter([False, True])

    def connected(**options: Any) -> KafkaConsumer:
        if not next(answers):
            raise KafkaTimeoutError("Unable to bootstrap")
        return KafkaConsumer(**options)

    monkeypatch.setattr("pengi_stream.kafka.reading.membership.KafkaConsumer", connected)
    with reading(kafka, topic) as found:
        wait_for(lambda: "Unable to bootstrap" in found.source.status().waits_for, "the reason")
        wait_for(lambda: len(found.frames()) == 3, "the frames")


def test_a_broker_that_comes_back_is_found_and_nothing_is_lost(own_broker: OwnCluster) -> None:
    topic = own_broker.new_topic()
    send(own_broker, topic, seconds(0, 3))
    with reading(own_broker, topic, give_up_after_s=60) as found:
        wait_for(lambda: not_committed(own_broker, topic, topic) == 0, "the commit")
        own_broker.kill()
        wait_for(lambda: found.source.status().state == "stalled", "the stall")
        wait_for(lambda: "refused" in found.source.status().waits_for, "the reason")
        own_broker.restart()
        send(own_broker, topic, seconds(3, 3))
        wait_for(lambda: len(found.frames()) == 6, "the frames", 60)
        wait_for(lambda: found.source.status().state == "running", "a running source")
        wait_for(lambda: not_committed(own_broker, topic, topic) == 0, "the commit", 60)
    assert [frame.first_sample for frame in found.frames()] == [11_025 * n for n in range(6)]


def test_a_broker_that_freezes_is_told_and_found_again(own_broker: OwnCluster) -> None:
    topic = own_broker.new_topic()
    with reading(own_broker, topic) as found:
        wait_for(lambda: found.source.status().state == "running", "a running source")
        broker = own_broker.nodes[0].process
        assert broker is not None
        broker.send_signal(signal.SIGSTOP)
        began_s = time.process_time()
        try:
            wait_for(lambda: found.source.status().state == "stalled", "the stall")
            used_s = time.process_time() - began_s
        finally:
            broker.send_signal(signal.SIGCONT)
        assert "no answer" in found.source.status().waits_for
        assert used_s < 2  # of 5 and more: it does not ask again and again
        wait_for(lambda: found.source.status().state == "running", "a running source", 60)


def test_a_broker_that_does_not_come_back_ends_the_run(own_broker: OwnCluster) -> None:
    topic = own_broker.new_topic()
    with reading(own_broker, topic, give_up_after_s=3) as found:
        wait_for(lambda: found.source.status().state == "running", "a running source")
        own_broker.kill()
        wait_for(lambda: found.error, "the error", 30)
    own_broker.restart()
    assert "gave up after 3 s" in str(found.error)
    assert "refused" in str(found.error)


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnCluster]:
    """A broker of this file alone, to be killed."""
    if missing := kafka_cluster.missing_parts():
        pytest.skip(missing)
    with kafka_cluster.own_cluster(Path(os.environ["KAFKA_HOME"]), tmp_path_factory.mktemp("killed")) as cluster:
        yield cluster

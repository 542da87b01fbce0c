"""A stall behind the source neither evicts the worker nor fills its memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kafka_cluster import Kafka, wait_for
from kafka_worker import AUDIO, cut, not_committed, send, sound

from pengi_stream.clock import SystemClock
from pengi_stream.engine.segment import WindowSpec
from pengi_stream.events import TextEvent
from pengi_stream.kafka.audio.config import KafkaSourceConfig
from pengi_stream.metrics import Metrics
from pengi_stream.models.fake import FakeModel
from pengi_stream.options import Prompt
from pengi_stream.protocols import AudioSource
from pengi_stream.runtime.assembly import Assembly, AudioFeed
from pengi_stream.runtime.pipeline import Pipeline
from pengi_stream.runtime.sink_writers import NamedSink
from pengi_stream.runtime.tracker import Tracker
from pengi_stream.testing import ListSink, context
from pengi_stream.types import Batch, Generation

MAX_POLL_INTERVAL_S = 2.0


class StallingModel(FakeModel):
    """Computes nothing until it may go on."""

    def __init__(self) -> None:
        super().__init__(16_000, 16_000)
        self.go_on = threading.Event()
        self.asked = threading.Event()

    def generate(self, batch: Batch) -> list[Generation]:
        self.asked.set()
        self.go_on.wait()
        return super().generate(batch)


@contextmanager
def running(pipeline: Pipeline) -> Iterator[None]:
    thread = threading.Thread(target=pipeline.run)
    thread.start()
    try:
        yield
    finally:
        pipeline.stop()
        thread.join(60)


def test_a_model_that_stalls_longer_than_the_poll_interval_loses_nothing_and_stays_in_the_group(
    kafka: Kafka, tmp_path: Path
) -> None:
    kafka.needs("bound of fetches")
    topic = kafka.new_topic(2)
    seconds = 200.0
    for stream in range(3):
        send(kafka, topic, cut(f"device-{stream}", sound(stream, seconds), 22_050))
    config = KafkaSourceConfig.model_validate(
        {
            "type": "kafka",
            "bootstrap_servers": kafka.servers,
            "topics": [topic],
            "group_id": topic,
            "audio": AUDIO,
            "buffer_mb": 0.5,
            "session_timeout_s": 6,
            "max_poll_interval_s": MAX_POLL_INTERVAL_S,
            "commit_interval_s": 0.2,
        }
    )
    model, sink = StallingModel(), ListSink()
    tracker, metrics = Tracker(sources=1, sinks=1), Metrics()
    source = config.build(context(metrics=metrics, progress=tracker.progress(0)))
    assert isinstance(source, AudioSource)
    pipeline = Pipeline(
        Assembly(
            name="listen",
            model=model,
            windows=WindowSpec(16_000, 16_000, 16_000, "repeat"),
            min_dbfs=None,
            prompts=[Prompt("caption", "what")],
            feeds=[AudioFeed("kafka", source, told=False)],
            sinks=[NamedSink("list", sink, required=True)],
            tracker=tracker,
            metrics=metrics,
        )
    )
    clock = SystemClock()
    with running(pipeline):
        assert model.asked.wait(30)
        began_s = clock.monotonic_s()
        rebalances = value(pipeline, "pengi_stream_rebalances_total")
        wait_for(lambda: clock.monotonic_s() - began_s > 3 * MAX_POLL_INTERVAL_S, "the stall")
        waiting = sum(value(pipeline, "pengi_stream_lag_records", partition=f"{topic}/{n}") for n in range(2))
        assert waiting > 100  # of 603 that were there: the rest of the records is not fetched
        assert value(pipeline, "pengi_stream_rebalances_total") == rebalances
        model.go_on.set()
        wait_for(lambda: not_committed(kafka, topic, topic) == 0, "the commit of all records", 60)
        assert value(pipeline, "pengi_stream_rebalances_total") == rebalances
    texts = sink.of(TextEvent)
    assert len(texts) == len({event.id for event in texts}) == 3 * seconds


def value(pipeline: Pipeline, name: str, **labels: str) -> float:
    found = pipeline.metrics.registry.get_sample_value(name, labels)
    assert found is not None, name
    return found

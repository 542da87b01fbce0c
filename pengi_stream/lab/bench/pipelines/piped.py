"""A real pipeline around a model, and what it tells of itself."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from pengi_stream.clock import Deadline, SystemClock
from pengi_stream.config import BatchConfig
from pengi_stream.engine.segment import WindowSpec
from pengi_stream.errors import PengiStreamError
from pengi_stream.events import Event, TextEvent
from pengi_stream.lab.bench.pipelines.feeding import FeedSource
from pengi_stream.metrics import Metrics
from pengi_stream.options import Prompt
from pengi_stream.protocols import AudioLanguageModel, Context, EventSink
from pengi_stream.runtime.assembly import Assembly, AudioFeed
from pengi_stream.runtime.pipeline import Pipeline
from pengi_stream.runtime.sink_writers import NamedSink
from pengi_stream.sinks.jsonl import JsonlSinkConfig
from pengi_stream.types import NS_PER_S, Window


@dataclass(frozen=True, slots=True)
class Answered:
    """A window whose event is durable."""

    end_ns: int
    """UTC of the window's end"""
    since_end_s: float
    """From the window's end to its event being durable"""
    since_ready_s: float
    """From the arrival of its last sample, which a frame may have delayed"""


class TimedSink(EventSink):
    """Notes when another one made events durable."""

    wants_samples = True  # of a window it needs to know when it was ready

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink
        self._clock = SystemClock()
        self._written: list[Window] = []
        self.answered: list[Answered] = []

    def write(self, items: Sequence[Event]) -> None:
        """See `EventSink.write`."""
        self._sink.write(items)
        texts = [event for event in items if isinstance(event, TextEvent)]
        self._written += [event.window for event in texts if event.window is not None]

    def flush(self, deadline: Deadline) -> None:
        """See `EventSink.flush`."""
        self._sink.flush(deadline)
        now_ns, now_s = self._clock.utc_ns(), self._clock.monotonic_s()
        self.answered += [
            Answered(window.end_ns, (now_ns - window.end_ns) / NS_PER_S, now_s - window.ready_s)
            for window in self._written
        ]
        self._written.clear()

    def close(self) -> None:
        """See `EventSink.close`."""
        self._sink.close()


@dataclass(frozen=True, slots=True)
class Piped:
    """A run of a pipeline."""

    began_ns: int
    wall_s: float
    cpu_s: float
    """Of this process"""
    answered: tuple[Answered, ...]
    batch_sizes: dict[str, int]
    """Batches, by the least size that is at least theirs, of 1, 2, 4 and so on"""
    shed: int
    """Windows that waited too long"""
    drafts: float
    """Texts that were offered as drafts"""
    drafts_held: float
    """Of these, those that were the text"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is run: all but the source."""

    model: AudioLanguageModel
    windows: WindowSpec
    prompts: tuple[Prompt, ...]
    batch: BatchConfig = field(default_factory=BatchConfig)


def run(asked: Asked, source: FeedSource) -> Piped:
    """To the end of `source`, into a file that is thrown away; nothing is gated. Blocks. Raises PengiStreamError."""
    with TemporaryDirectory() as folder:
        sink = TimedSink(
            JsonlSinkConfig(type="jsonl", path=str(Path(folder) / "events.jsonl")).build(Context.alone("sink"))
        )
        pipeline = Pipeline(_assembly(asked, source, sink))
        clock = SystemClock()
        began_ns, began_s, before = clock.utc_ns(), clock.monotonic_s(), os.times()
        outcome = pipeline.run()
        wall_s, after = clock.monotonic_s() - began_s, os.times()
    if not outcome.ok:
        raise PengiStreamError(f"the pipeline failed: {'; '.join(outcome.errors) or outcome}")
    metrics = pipeline.metrics
    return Piped(
        began_ns,
        wall_s,
        after.user + after.system - before.user - before.system,
        tuple(sink.answered),
        _batch_sizes(metrics),
        metrics.ledgers.count("requests", "shed"),
        _value(metrics, "pengi_stream_drafts_total"),
        _value(metrics, "pengi_stream_drafts_held_total"),
    )


def _assembly(asked: Asked, source: FeedSource, sink: TimedSink) -> Assembly:
    return Assembly(
        name="bench",
        model=asked.model,
        windows=asked.windows,
        min_dbfs=None,
        prompts=asked.prompts,
        feeds=[AudioFeed("feeds", source)],  # frames wait where it is behind, and come late; none is dropped
        sinks=[NamedSink("jsonl", sink, required=True)],
        max_batch_size=asked.batch.max_batch_size,
        max_wait_s=asked.batch.max_wait_s,
        max_age_s=asked.batch.max_age_s,
    )


def _value(metrics: Metrics, name: str) -> float:
    return metrics.registry.get_sample_value(name) or 0.0


def _batch_sizes(metrics: Metrics) -> dict[str, int]:
    found, before = {}, 0.0
    for family in metrics.batch_size.collect():
        for sample in family.samples:
            if sample.name.endswith("_bucket"):
                found[sample.labels["le"].removesuffix(".0")] = int(sample.value - before)
                before = sample.value
    return {size: count for size, count in found.items() if count}

"""A pipeline in two halves, cut at the window, does what the whole one does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pengi_stream.clock import Deadline
from pengi_stream.engine.segment import WindowSpec
from pengi_stream.errors import SinkError
from pengi_stream.events import Event, TextEvent
from pengi_stream.models.fake import FakeModelConfig
from pengi_stream.options import Prompt
from pengi_stream.outcomes import WindowItem
from pengi_stream.positions import ReadPosition
from pengi_stream.protocols import AudioSource, DeadLetterSink, Sink, WindowSink, WindowSource
from pengi_stream.runtime.assembly import Assembly, AudioFeed, Outcome, WindowFeed
from pengi_stream.runtime.pipeline import Pipeline
from pengi_stream.runtime.sink_writers import NamedSink
from pengi_stream.testing import ListSink, ScriptedSource, context
from pengi_stream.types import (
    BadRecord,
    CommitPosition,
    Frame,
    Gap,
    SourceItem,
    Stream,
    StreamEnd,
    TimeMap,
    WindowShape,
)
from pengi_stream.wire.windows import WindowRecord, from_record, to_record

RATE = 16_000
MODEL = FakeModelConfig(type="fake", window_s=1.0).build(context())
STREAM = Stream("kitchen")


class Topic(WindowSink):
    """A topic with one partition, in memory."""

    def __init__(self, failures: Sequence[SinkError] = ()) -> None:
        self.records: list[WindowRecord] = []
        self.durable = 0
        self._failures = list(failures)

    def write(self, items: Sequence[WindowItem]) -> None:
        self.records += [to_record(item, "flac") for item in items]

    def flush(self, deadline: Deadline) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self.durable = len(self.records)


class Reader(WindowSource):
    """Reads a topic from its beginning."""

    def __init__(self, topic: Topic) -> None:
        self._topic = topic
        self.commits: list[int] = []

    def windows(self) -> Iterator[WindowItem]:
        for offset, record in enumerate(self._topic.records):
            yield from_record(record, WindowShape(RATE, RATE), ReadPosition("windows/0", offset), 0.0)

    def commit(self, position: CommitPosition) -> None:
        self.commits.append(position.offset)

    def close(self) -> None:
        """It ends by itself."""


def pipeline(source: AudioSource | WindowSource, sink: Sink[Any], **options: object) -> Pipeline:
    match source:
        case AudioSource():
            feed: AudioFeed | WindowFeed = AudioFeed("source", source)
        case WindowSource():
            feed = WindowFeed("source", source, told=True)
    parts = Assembly(
        name="test",
        model=MODEL,
        windows=WindowSpec(RATE, RATE, RATE // 2, "repeat"),
        min_dbfs=-60,
        prompts=[Prompt("caption", "generate audio caption"), Prompt("tags", "generate metadata")],
        feeds=[feed],
        sinks=[NamedSink("sink", sink, required=True)],
        max_wait_s=0.01,
    )
    return Pipeline(replace(parts, **options))  # type: ignore[arg-type]


def tone(seconds: float, start: int = 0, offset: int | None = None) -> list[Frame]:
    """16-bit sound in frames of 0.1 s."""
    n = round(seconds * RATE)
    samples = np.round(9000 * np.sin(2 * np.pi * 440 * (start + np.arange(n)) / RATE)) / 32_768
    return [
        Frame(
            STREAM,
            start + i,
            samples[i : i + 1600, None].astype(np.float32),
            RATE,
            TimeMap(0, 10**18, RATE),
            None if offset is None else ReadPosition("audio/0", offset + i // 1600),
        )
        for i in range(0, n, 1600)
    ]


RECORDING: list[SourceItem] = [
    *tone(2.3, offset=0),
    Gap(STREAM, 36_800, 8_000, RATE, TimeMap(0, 10**18, RATE), "unplugged", ReadPosition("audio/0", 23)),
    BadRecord(STREAM, "kitchen: no audio", "AudioError", b"?", time_ns=5, position=ReadPosition("audio/0", 24)),
    *tone(1.0, start=44_800, offset=25),
    StreamEnd(STREAM, ReadPosition("audio/0", 35)),
]


class Letters(DeadLetterSink):
    """Keeps bad records in memory."""

    def __init__(self) -> None:
        self.records: list[BadRecord] = []

    def write(self, items: Sequence[BadRecord]) -> None:
        self.records += items

    def flush(self, deadline: Deadline) -> None: ...

    def close(self) -> None: ...


def facts(events: Sequence[Event]) -> list[Event]:
    """Without the time at which they were made."""
    return [replace(event, processed_at_ns=0) if isinstance(event, TextEvent) else event for event in events]


def assert_balanced(run: Pipeline) -> None:
    for ledger in ("records", "windows", "requests"):
        assert run.metrics.ledgers.in_flight(ledger) == 0


def test_two_halves_give_the_events_of_the_whole_in_their_order() -> None:
    whole, split, topic = ListSink(), ListSink(), Topic()
    refused, refused_again = Letters(), Letters()
    assert pipeline(ScriptedSource(RECORDING), whole, dead_letters=Letters()).run().ok
    first = pipeline(ScriptedSource(RECORDING), topic, model=None, dead_letters=refused)
    assert first.run() == Outcome()
    second = pipeline(Reader(topic), split, dead_letters=refused_again)
    assert second.run() == Outcome()
    kinds = {event.type for event in whole.events}
    assert kinds == {"pengi_stream.text", "pengi_stream.gap", "pengi_stream.source", "pengi_stream.coverage"}
    assert facts(split.events) == facts(whole.events)
    assert [record.value for record in refused.records] == [b"?"]
    assert refused_again.records == []
    assert_balanced(first)
    assert_balanced(second)


def test_of_silence_no_sample_is_sent() -> None:
    topic = Topic()
    silence = [replace(frame, samples=np.zeros_like(frame.samples)) for frame in tone(3.0)]
    run = pipeline(ScriptedSource([*silence, StreamEnd(STREAM)]), topic, model=None)
    assert run.run().ok
    schemas = [dict(record.headers)["schema"] for record in topic.records]
    assert schemas == [b"pengi_stream.quiet/3"] * 5 + [b"pengi_stream.end/3"]
    assert {record.value for record in topic.records} == {b""}
    assert run.metrics.ledgers.count("windows", "gated") == 5


def test_a_source_of_audio_is_committed_when_its_windows_are_durable() -> None:
    topic = Topic()
    source = ScriptedSource([*tone(3.0, offset=0), StreamEnd(STREAM, ReadPosition("audio/0", 30))])
    commits: list[tuple[int, int]] = []
    source.commit = lambda position: commits.append((position.offset, topic.durable))  # type: ignore[method-assign]
    assert pipeline(source, topic, model=None).run().ok
    offsets = [offset for offset, _ in commits]
    assert offsets == sorted(offsets)
    assert offsets[-1] == 31
    for offset, durable in commits:
        assert durable >= offset // 5 - 1  # windows that begin before it: one each 5 records, the last is not whole yet


def test_a_topic_of_windows_is_committed_when_their_events_are_durable() -> None:
    topic, sink = Topic(), ListSink()
    assert pipeline(ScriptedSource([*tone(3.0), StreamEnd(STREAM)]), topic, model=None).run().ok
    committed: list[tuple[int, int]] = []
    reader = Reader(topic)
    reader.commit = lambda position: committed.append((position.offset, sink.durable))  # type: ignore[method-assign]
    assert pipeline(reader, sink).run().ok
    assert committed[-1] == (6, 11)  # 5 windows and the end, with what was heard; two prompts each
    for offset, durable in committed:
        assert durable >= 2 * min(offset, 5)


def test_a_topic_that_refuses_for_a_while_gets_every_window_in_the_end() -> None:
    topic = Topic([SinkError("no leader", retry_after_s=0.01)] * 3)
    assert pipeline(ScriptedSource([*tone(2.0), StreamEnd(STREAM)]), topic, model=None).run().ok
    assert topic.durable == len(topic.records) == 4


def test_a_topic_that_refuses_for_good_ends_the_run_with_its_reason() -> None:
    topic = Topic([SinkError("takes records of 50 bytes")])
    assert pipeline(ScriptedSource(tone(2.0), hold_open=True), topic, model=None).run().errors == (
        "takes records of 50 bytes",
    )
    assert topic.records == []


@pytest.mark.parametrize("prompts", [["other-*"], ["kit*"]])
def test_workers_ask_the_prompts_of_a_windows_stream(prompts: list[str]) -> None:
    topic, sink = Topic(), ListSink()
    assert pipeline(ScriptedSource([*tone(1.0), StreamEnd(STREAM)]), topic, model=None).run().ok
    asked = [Prompt("caption", "generate audio caption", streams=tuple(prompts))]
    assert pipeline(Reader(topic), sink, prompts=asked).run().ok
    assert len(sink.of(TextEvent)) == (1 if prompts == ["kit*"] else 0)

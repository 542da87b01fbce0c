"""A whole pipeline in memory: everything arrives once, and failures end where they should."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from pengi_stream.clock import Deadline
from pengi_stream.engine.segment import WindowSpec
from pengi_stream.errors import ModelError, SinkError, SourceError
from pengi_stream.events import CoverageEvent, Event, GapEvent, SourceEvent, TextEvent
from pengi_stream.models.fake import FakeModelConfig
from pengi_stream.options import Prompt
from pengi_stream.positions import ReadPosition
from pengi_stream.protocols import AudioLanguageModel, DeadLetterSink
from pengi_stream.runtime.assembly import Assembly, AudioFeed, Outcome
from pengi_stream.runtime.pipeline import Pipeline
from pengi_stream.runtime.sink_writers import NamedSink
from pengi_stream.testing import ListSink, ScriptedSource, context
from pengi_stream.types import (
    BadRecord,
    Batch,
    Frame,
    Gap,
    Generation,
    SourceItem,
    Stream,
    StreamEnd,
    TimeMap,
)

RATE = 16_000
PROMPT = Prompt("caption", "generate audio caption")


def tone(
    stream: Stream, seconds: float, *, hz: float = 440.0, start: int = 0, offset: int | None = None
) -> list[Frame]:
    """A tone as frames of 0.1 s; with `offset`, frame k has the position `offset` + k."""
    n = round(seconds * RATE)
    samples = (0.3 * np.sin(2 * np.pi * hz * (start + np.arange(n)) / RATE)).astype(np.float32)[:, None]
    size = RATE // 10
    return [
        Frame(
            stream,
            start + i,
            samples[i : i + size],
            RATE,
            TimeMap(0, 0, RATE),
            None if offset is None else ReadPosition("audio/0", offset + i // size),
        )
        for i in range(0, n, size)
    ]


def fake(window_s: float = 1.0) -> AudioLanguageModel:
    return FakeModelConfig(type="fake", window_s=window_s).build(context())


def pipeline(
    items: Sequence[SourceItem] | AudioFeed,
    sinks: Sequence[NamedSink],
    *,
    model: AudioLanguageModel | None = None,
    prompts: Sequence[Prompt] = (PROMPT,),
    **options: object,
) -> Pipeline:
    source = items if isinstance(items, AudioFeed) else AudioFeed("source", ScriptedSource(items), live=False)
    model = model or fake()
    parts = Assembly(
        name="test",
        model=model,
        windows=WindowSpec(model.sample_rate, model.window_samples, model.window_samples // 2, "repeat"),
        min_dbfs=-60,
        prompts=prompts,
        feeds=[source],
        sinks=sinks,
        max_wait_s=0.01,
    )
    return Pipeline(replace(parts, **options))  # type: ignore[arg-type]


def required(sink: ListSink) -> NamedSink:
    return NamedSink("list", sink, required=True)


def texts(sink: ListSink) -> list[TextEvent]:
    return sink.of(TextEvent)


def told(sink: ListSink) -> list[Event]:
    """All but which time was heard."""
    return [event for event in sink.events if not isinstance(event, CoverageEvent)]


def assert_balanced(run: Pipeline) -> None:
    for ledger in ("records", "windows", "requests"):
        assert run.metrics.ledgers.in_flight(ledger) == 0


def test_each_window_and_prompt_gives_one_event_in_order() -> None:
    stream, sink = Stream("a"), ListSink()
    prompts = [PROMPT, Prompt("tags", "generate metadata")]
    run = pipeline([*tone(stream, 3.0), StreamEnd(stream)], [required(sink)], prompts=prompts)
    assert run.run() == Outcome()
    found = [(event.prompt_id, event.first_sample) for event in texts(sink)]
    starts = [0, 8_000, 16_000, 24_000, 32_000]
    for prompt in prompts:
        assert [sample for prompt_id, sample in found if prompt_id == prompt.id] == starts
    assert len({event.id for event in sink.events}) == len(sink.events)
    assert_balanced(run)


def test_a_gap_is_an_event_between_the_texts_on_its_two_sides() -> None:
    stream, sink = Stream("a"), ListSink()
    hole = Gap(stream, 16_000, 16_000, RATE, TimeMap(0, 0, RATE), "unplugged")
    items = [*tone(stream, 1.0), hole, *tone(stream, 1.0, start=32_000), StreamEnd(stream)]
    assert pipeline(items, [required(sink)]).run().ok
    kinds = [(event.type, event.first_sample) for event in told(sink) if isinstance(event, TextEvent | GapEvent)]
    assert kinds == [("pengi_stream.text", 0), ("pengi_stream.gap", 16_000), ("pengi_stream.text", 32_000)]


def test_silence_is_gated_and_counted() -> None:
    stream, sink = Stream("a"), ListSink()
    silent = [replace(frame, samples=np.zeros_like(frame.samples)) for frame in tone(stream, 3.0)]
    run = pipeline([*silent, StreamEnd(stream)], [required(sink)])
    assert run.run().ok
    assert [(event.kind, event.end_sample) for event in sink.of(CoverageEvent)] == [("quiet", 48_000)]
    assert told(sink) == []
    assert run.metrics.ledgers.count("windows", "gated") == 5


def test_a_prompt_is_asked_only_of_the_streams_that_it_names() -> None:
    door, hall, sink = Stream("door-1"), Stream("hall"), ListSink()
    items = [*tone(door, 1.0), *tone(hall, 1.0), StreamEnd(door), StreamEnd(hall)]
    assert pipeline(items, [required(sink)], prompts=[replace(PROMPT, streams=("door-*",))]).run().ok
    assert {event.stream_id for event in texts(sink)} == {"door-1"}
    [deaf] = [event for event in sink.of(CoverageEvent) if event.stream_id == "hall"]
    assert (deaf.kind, deaf.reason) == ("unheard", "no prompt is for this stream")


def test_texts_below_the_threshold_are_not_emitted() -> None:
    stream, sink = Stream("a"), ListSink()
    run = pipeline([*tone(stream, 1.0), StreamEnd(stream)], [required(sink)], prompts=[replace(PROMPT, threshold=1.0)])
    assert run.run().ok
    assert texts(sink) == []
    assert_balanced(run)


def test_a_position_is_committed_when_all_before_it_is_durable_and_no_sooner() -> None:
    stream, sink = Stream("a"), ListSink()
    source = ScriptedSource([*tone(stream, 3.0, offset=0), StreamEnd(stream, ReadPosition("audio/0", 30))])
    commits: list[tuple[int, int]] = []
    source.commit = lambda position: commits.append((position.offset, len(sink.events)))  # type: ignore[method-assign]
    assert pipeline(AudioFeed("source", source, live=False), [required(sink)]).run().ok
    assert commits[-1][0] == 31
    assert commits == sorted(commits)
    for offset, written in commits[:-1]:
        windows_that_begin_before = sum(1 for start in range(0, 25, 5) if start < offset)
        assert written >= windows_that_begin_before


class Moody(AudioLanguageModel):
    """A model that fails on what `refuses` names."""

    def __init__(self, refuses: set[int] | None) -> None:
        self._model = fake()
        self._refuses = refuses
        self.sample_rate = self._model.sample_rate
        self.window_samples = self._model.window_samples
        self.hop_grid_samples = self._model.hop_grid_samples
        self.identity = "moody"

    def generate(self, batch: Batch) -> list[Generation]:
        loud = [r for r in batch.requests if np.any(r.window.samples)]
        if self._refuses is None or any(r.first_sample in self._refuses for r in loud):
            raise ModelError("out of patience")
        return self._model.generate(batch)


def test_a_window_on_which_the_model_fails_is_reported_and_its_neighbours_are_done() -> None:
    stream, sink = Stream("a"), ListSink()
    run = pipeline([*tone(stream, 3.0), StreamEnd(stream)], [required(sink)], model=Moody({16_000}))
    outcome = run.run()
    assert (outcome.errors, outcome.bad_records) == ((), 1)
    assert [event.first_sample for event in texts(sink)] == [0, 8_000, 24_000, 32_000]
    [report] = sink.of(SourceEvent)
    assert "out of patience" in report.reason
    assert_balanced(run)


def test_a_model_that_fails_on_everything_ends_the_run_with_its_error() -> None:
    stream = Stream("a")
    outcome = pipeline([*tone(stream, 3.0), StreamEnd(stream)], [required(ListSink())], model=Moody(None)).run()
    assert "out of patience" in outcome.errors[0]


class Repeating(Moody):
    """Says of each answer that it was given before."""

    def generate(self, batch: Batch) -> list[Generation]:
        return [replace(made, repeated=True) for made in super().generate(batch)]


def test_answers_that_are_given_again_are_counted_and_say_so() -> None:
    stream, sink, model = Stream("a"), ListSink(), Repeating(set())
    run = pipeline([*tone(stream, 3.0), StreamEnd(stream)], [required(sink)], model=model)
    assert run.run().ok
    assert [event.repeated for event in texts(sink)] == [True] * 5
    assert run.metrics.registry.get_sample_value("pengi_stream_repeated_total") == 5


class Lazy(Moody):
    """A model that leaves a request out."""

    def generate(self, batch: Batch) -> list[Generation]:
        return super().generate(batch)[1:]


def test_a_model_that_leaves_requests_out_does_not_lose_them_in_silence() -> None:
    stream = Stream("a")
    outcome = pipeline([*tone(stream, 1.0), StreamEnd(stream)], [required(ListSink())], model=Lazy(set())).run()
    assert outcome.bad_records == 1


class Refusing(ListSink):
    """A sink that refuses its first writes."""

    def __init__(self, times: int, retry_after_s: float | None) -> None:
        super().__init__()
        self._times = times
        self._retry_after_s = retry_after_s

    def write(self, items: Sequence[Event]) -> None:
        if self._times:
            self._times -= 1
            raise SinkError("disk is full", self._retry_after_s)
        super().write(items)


def test_a_sink_that_refuses_for_a_while_loses_nothing() -> None:
    stream, sink = Stream("a"), Refusing(3, 0.001)
    assert pipeline([*tone(stream, 3.0), StreamEnd(stream)], [required(sink)]).run().ok
    assert len(texts(sink)) == 5


@pytest.mark.parametrize("retry_after_s", [None, 0.001])
def test_a_required_sink_that_never_accepts_ends_the_run_with_its_error(retry_after_s: float | None) -> None:
    stream, source = Stream("a"), ScriptedSource([], hold_open=True)
    source = ScriptedSource(tone(stream, 3.0), hold_open=True)
    sink = Refusing(10**9, retry_after_s)
    outcome = pipeline(AudioFeed("source", source, live=False), [required(sink)], give_up_after_s=0.02, drain_s=5).run()
    assert outcome.errors == ("disk is full",)


def test_an_optional_sink_that_fails_disturbs_nobody() -> None:
    stream, good = Stream("a"), ListSink()
    sinks = [NamedSink("bad", Refusing(10**9, None), required=False), required(good)]
    run = pipeline([*tone(stream, 3.0), StreamEnd(stream)], sinks)
    assert run.run().ok
    assert len(texts(good)) == 5
    dropped = {"sink": "bad", "outcome": "dropped"}
    assert run.metrics.registry.get_sample_value("pengi_stream_events_total", dropped) == 6  # with what was heard


class Stuck(ListSink):
    """A sink that does not return from a write until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def write(self, items: Sequence[Event]) -> None:
        self.let_go.wait()
        super().write(items)


def test_a_slow_sink_delays_no_fast_one() -> None:
    stream, slow, fast = Stream("a"), Stuck(), ListSink()
    seen = threading.Event()
    flush = fast.flush

    def flushed(deadline: Deadline) -> None:
        flush(deadline)
        if len(texts(fast)) == 5:
            seen.set()

    fast.flush = flushed  # type: ignore[method-assign]
    sinks = [NamedSink("slow", slow, required=True), NamedSink("fast", fast, required=True)]
    run = pipeline([*tone(stream, 3.0), StreamEnd(stream)], sinks)
    ended: list[Outcome] = []
    runner = threading.Thread(target=lambda: ended.append(run.run()))
    runner.start()
    assert seen.wait(10)
    slow.let_go.set()
    runner.join(10)
    assert ended == [Outcome()]
    assert len(texts(slow)) == 5


def test_stop_drains_what_was_heard() -> None:
    stream, sink = Stream("a"), ListSink()
    source = ScriptedSource(tone(stream, 3.0), hold_open=True)
    run = pipeline(AudioFeed("source", source, live=True), [required(sink)])
    heard = threading.Event()
    flush = sink.flush
    sink.flush = lambda deadline: (flush(deadline), heard.set())[0]  # type: ignore[method-assign, func-returns-value]
    ended: list[Outcome] = []
    runner = threading.Thread(target=lambda: ended.append(run.run()))
    runner.start()
    assert heard.wait(10)
    run.stop()
    runner.join(10)
    assert ended[0].ok
    assert [event.first_sample for event in texts(sink)][:5] == [0, 8_000, 16_000, 24_000, 32_000]


def test_a_shutdown_that_cannot_drain_ends_at_its_deadline_and_says_what_it_abandoned() -> None:
    stream, stuck = Stream("a"), Stuck()
    source = ScriptedSource(tone(stream, 3.0), hold_open=True)
    run = pipeline(AudioFeed("source", source, live=False), [required(stuck)], drain_s=0.05, model=Moody(set()))
    run.stop()
    outcome = run.run()
    stuck.let_go.set()
    assert_balanced(run)
    assert outcome.errors == ()


class Broken(ScriptedSource):
    """A source that cannot go on."""

    def frames(self) -> Iterator[SourceItem]:
        yield from super().frames()
        raise SourceError("the cable is out")


def test_a_source_that_cannot_go_on_ends_the_run_after_what_it_gave() -> None:
    stream, sink = Stream("a"), ListSink()
    outcome = pipeline(AudioFeed("source", Broken(tone(stream, 1.0)), live=False), [required(sink)]).run()
    assert outcome.errors == ("the cable is out",)
    assert len(texts(sink)) == 1


def test_bad_records_without_a_place_to_go_make_the_run_fail_but_not_stop() -> None:
    bad, good, sink = Stream("bad"), Stream("good"), ListSink()
    items = [BadRecord(bad, "is no audio"), StreamEnd(bad), *tone(good, 1.0), StreamEnd(good)]
    outcome = pipeline(items, [required(sink)]).run()
    assert not outcome.ok
    assert outcome.bad_records == 1
    assert [event.type for event in told(sink)] == ["pengi_stream.source", "pengi_stream.text"]


class Keeper(DeadLetterSink):
    """A dead-letter sink in memory."""

    def __init__(self) -> None:
        self.records: list[BadRecord] = []
        self.flushed = 0

    def write(self, items: Sequence[BadRecord]) -> None:
        self.records += items

    def flush(self, deadline: Deadline) -> None:
        self.flushed = len(self.records)

    def close(self) -> None:
        """Nothing to release."""


def test_a_bad_record_that_is_kept_is_no_failure() -> None:
    bad, keeper = Stream("bad"), Keeper()
    items = [BadRecord(bad, "is no audio", value=b"text"), StreamEnd(bad)]
    assert pipeline(items, [required(ListSink())], dead_letters=keeper).run().ok
    assert [record.value for record in keeper.records] == [b"text"]
    assert keeper.flushed == 1


def test_a_place_for_bad_records_that_is_not_there_ends_the_run_before_there_are_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def flush(_self: Keeper, _deadline: Deadline) -> None:
        raise SinkError("dead letters: there is no topic 'daed'")

    monkeypatch.setattr(Keeper, "flush", flush)
    stream, sink = Stream("a"), ListSink()
    outcome = pipeline([*tone(stream, 1.0), StreamEnd(stream)], [required(sink)], dead_letters=Keeper()).run()
    assert outcome.errors == ("dead letters: there is no topic 'daed'",)
    assert sink.events == []


def test_two_sources_of_one_stream_are_refused() -> None:
    stream = Stream("a")
    feeds = [AudioFeed(f"source-{n}", ScriptedSource(tone(stream, 1.0), hold_open=True)) for n in range(2)]
    outcome = pipeline([], [required(ListSink())], feeds=feeds).run()
    assert "'a'" in outcome.errors[0]
    assert "stream_id" in outcome.errors[0]

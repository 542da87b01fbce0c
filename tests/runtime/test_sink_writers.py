"""A sink that is slow, away or stuck shows, holds little, and delays nobody but the sources that must wait for it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from parts import HOP, LANE, PROMPT, RATE, WINDOW, Running, frame, frames, pipeline, window

from pengi_stream.clock import Deadline
from pengi_stream.engine.reorder import Expected, Finished, Passing, Reorder
from pengi_stream.engine.segment import WindowSpec
from pengi_stream.engine.watermark import Work
from pengi_stream.errors import SinkError
from pengi_stream.events import Event, TextEvent
from pengi_stream.metrics import Metrics
from pengi_stream.models.fake import FakeModel
from pengi_stream.outcomes import span_of
from pengi_stream.positions import ReadPosition
from pengi_stream.runtime.assembly import AudioFeed, Outcome
from pengi_stream.runtime.commits import Commits
from pengi_stream.runtime.patience import SLOW_S
from pengi_stream.runtime.sink_writers import Delivery, NamedSink, SinkTools, SinkWriter, SinkWriters
from pengi_stream.runtime.tracker import Tracker
from pengi_stream.runtime.waiting import MOST_BYTES, Weighed
from pengi_stream.status import Status
from pengi_stream.testing import FakeClock, ListSink, ScriptedSource
from pengi_stream.types import BadRecord, Batch, Generation, Stream, StreamEnd, Window

DOOR = Stream("door")


class Stuck(ListSink):
    """Does not return from a write until it is let go."""

    def __init__(self, *, wants_samples: bool = False) -> None:
        super().__init__()
        self.wants_samples = wants_samples
        self.asked = threading.Event()
        self.let_go = threading.Event()

    def write(self, items: Sequence[Event]) -> None:
        self.asked.set()
        assert self.let_go.wait(60)
        super().write(items)


class Waits:
    """Which threads were told that there is no room, and what waited then."""

    def __init__(self) -> None:
        self._told = threading.Condition()
        self._threads: set[str] = set()
        self.most_bytes = 0

    def note(self, bytes_waiting: int) -> None:
        """The current thread has to wait."""
        with self._told:
            self._threads.add(threading.current_thread().name)
            self.most_bytes = max(self.most_bytes, bytes_waiting)
            self._told.notify_all()

    def wait_for(self, *threads: str) -> bool:
        """Whether each of `threads` had to wait."""
        with self._told:
            return self._told.wait_for(lambda: set(threads) <= self._threads, 30)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    waits, has_room = Waits(), Weighed.has_room

    def noted(waiting: Weighed[object], item: object) -> bool:
        found = has_room(waiting, item)
        if not found:
            waits.note(waiting.bytes)
        return found

    monkeypatch.setattr(Weighed, "has_room", noted)
    return waits


class Writing:
    """Writers of several sinks, and what they tell."""

    def __init__(self, *sinks: NamedSink, give_up_after_s: float = 60.0, clock: FakeClock | None = None) -> None:
        self.clock, self.metrics, self.source = clock or FakeClock(), Metrics(), ScriptedSource([])
        self.tracker = Tracker(1, sum(sink.required for sink in sinks))
        commits = Commits(self.tracker, {0: self.source})
        tools = SinkTools(commits, self.metrics, self.clock, give_up_after_s, threading.Event())
        self.writers = [SinkWriter(sink, tools) for sink in sinks]
        self._sinks = SinkWriters(self.writers, commits)

    def work(self, number: int) -> Work:
        record = BadRecord(DOOR, "odd", position=ReadPosition(LANE, number))
        work = self.tracker.opened(0, record)
        self.tracker.advanced(0, record, None)
        return work

    def deliver(self, number: int, n_bytes: int = 1000) -> None:
        self._sinks.deliver(Delivery(self.work(number), (said(number),), n_bytes))

    def close(self) -> None:
        for writer in self.writers:
            writer.channel.close()

    def counted(self, sink: str, outcome: str) -> float | None:
        labels = {"sink": sink, "outcome": outcome}
        return self.metrics.registry.get_sample_value("pengi_stream_events_total", labels)

    @property
    def offsets(self) -> list[int]:
        return [position.offset for position in self.source.commits]


def said(number: int) -> TextEvent:
    return TextEvent(
        id=str(number),
        pipeline="test",
        stream_id=DOOR.id,
        start_ns=0,
        end_ns=1,
        prompt_id=PROMPT.id,
        prompt=PROMPT.text,
        text=f"{number}",
        confidence=1,
        first_sample=number * HOP,
        sample_rate=RATE,
        model="fake",
        processed_at_ns=0,
    )


def numbers(sink: ListSink) -> list[int]:
    return [int(event.id) for event in sink.events]


def required(sink: ListSink) -> NamedSink:
    return NamedSink("disk", sink, required=True)


def optional(sink: ListSink) -> NamedSink:
    return NamedSink("screen", sink, required=False)


QUARTER = MOST_BYTES // 4


def test_a_stuck_required_sink_makes_others_wait_once_so_many_bytes_do(waits: Waits) -> None:
    stuck = Stuck()
    writing = Writing(required(stuck))
    working = Running(writing.writers[0].work)
    writing.deliver(0)
    assert stuck.asked.wait(30)

    def deliver() -> None:
        threading.current_thread().name = "producer"
        for number in range(1, 8):
            writing.deliver(number, QUARTER)

    producing = Running(deliver)
    assert waits.wait_for("producer")
    assert len(writing.writers[0].channel) == 4
    assert waits.most_bytes == MOST_BYTES
    stuck.let_go.set()
    assert producing.result() is None
    writing.close()
    assert working.result() is None
    assert numbers(stuck) == list(range(8))
    assert writing.offsets[-1] == 8


def test_a_stuck_optional_sink_loses_the_oldest_says_how_many_and_delays_nobody() -> None:
    stuck, quick = Stuck(), ListSink()
    writing = Writing(optional(stuck), required(quick))
    working = [Running(writer.work) for writer in writing.writers]
    writing.deliver(0)
    assert stuck.asked.wait(30)
    for number in range(1, 8):
        writing.deliver(number, QUARTER)
    assert len(writing.writers[0].channel) == 4
    stuck.let_go.set()
    writing.close()
    assert [each.result() for each in working] == [None, None]
    assert numbers(stuck) == [0, 4, 5, 6, 7]
    assert numbers(quick) == list(range(8))
    assert (writing.counted("screen", "dropped"), writing.counted("screen", "durable")) == (3, 5)
    assert (writing.counted("disk", "dropped"), writing.counted("disk", "durable")) == (0, 8)
    assert writing.offsets[-1] == 8


def test_one_delivery_larger_than_all_room_still_arrives() -> None:
    sink = ListSink()
    writing = Writing(required(sink))
    writing.deliver(0, 2 * MOST_BYTES)
    working = Running(writing.writers[0].work)
    writing.deliver(1, 2 * MOST_BYTES)
    writing.close()
    assert working.result() is None
    assert numbers(sink) == [0, 1]


def test_a_stuck_sink_holds_the_source_up(waits: Waits) -> None:
    stuck = Stuck()
    pieces = [frame(DOOR, first, HOP, hertz=440.0) for first in range(0, 8000 * HOP, HOP)]
    source = ScriptedSource(pieces)
    run = pipeline([AudioFeed("file", source)], [stuck], max_batch_size=4, drain_s=0.0)
    running = Running(run.run)
    assert waits.wait_for("source-file", "events")
    assert run.health().sources["file"] == Status("running")
    run.stop()
    stuck.let_go.set()
    outcome = running.result()
    assert isinstance(outcome, Outcome)
    assert outcome.errors == ()


def test_a_sink_that_does_not_return_from_a_write_shows_after_a_while_and_no_longer_when_it_does() -> None:
    stuck, clock = Stuck(), FakeClock()
    run = pipeline([AudioFeed("file", ScriptedSource([*frames(DOOR, WINDOW), StreamEnd(DOOR)]))], [stuck], clock=clock)
    running = Running(run.run)
    assert stuck.asked.wait(30)
    assert run.health().sinks == {"sink-0": Status("running")}
    clock.advance(SLOW_S + 5)
    assert run.health().sinks == {"sink-0": Status("stalled", "no answer for 15 s")}
    clock.advance(100)
    assert run.health().sinks == {"sink-0": Status("stalled", "no answer for 115 s")}
    stuck.let_go.set()
    assert running.result() == Outcome()
    assert run.health().sinks == {"sink-0": Status("running")}


class Refusing(ListSink):
    """Refuses its first writes; looks at what is told of it each time."""

    def __init__(self, times: int, retry_after_s: float | None, look: Callable[[], object] = lambda: None) -> None:
        super().__init__([SinkError("disk is full", retry_after_s)] * times)
        self.look = look
        self.seen: list[object] = []

    def write(self, items: Sequence[Event]) -> None:
        self.seen.append(self.look())
        super().write(items)


def test_a_sink_that_refuses_shows_what_it_says_until_it_takes_it() -> None:
    sink = Refusing(2, 0.001)
    writing = Writing(required(sink))
    [writer] = writing.writers
    sink.look = writer.status
    writing.deliver(0)
    writing.close()
    writer.work()
    stalled = Status("stalled", "disk is full")
    assert sink.seen == [Status("running"), stalled, stalled]
    assert writer.status() == Status("running")
    assert numbers(sink) == [0]


def test_a_required_sink_that_refuses_for_good_keeps_the_place_where_it_was() -> None:
    writing = Writing(required(Refusing(10, None)))
    writing.deliver(0)
    writing.close()
    with pytest.raises(SinkError, match="disk is full"):
        writing.writers[0].work()
    assert writing.offsets == []


def test_an_optional_sink_that_refuses_is_asked_once_for_each_batch_and_what_it_lost_is_counted() -> None:
    sink = Refusing(1, 0.001)
    writing = Writing(optional(sink))
    writing.deliver(0)
    writing.deliver(1)
    writing.close()
    writing.writers[0].work()
    assert len(sink.seen) == 1
    assert writing.counted("screen", "dropped") == 2
    assert writing.counted("screen", "durable") == 0


class Unreachable(ListSink):
    """Cannot be flushed at first."""

    def __init__(self) -> None:
        super().__init__()
        self._away = [SinkError("no such folder")]
        self.closed = 0

    def flush(self, deadline: Deadline) -> None:
        if self._away:
            raise self._away.pop()
        super().flush(deadline)

    def close(self) -> None:
        self.closed += 1


def test_a_required_sink_that_is_not_there_ends_the_run_before_anything_is_written() -> None:
    sink = Unreachable()
    writing = Writing(required(sink))
    writing.deliver(0)
    with pytest.raises(SinkError, match="no such folder"):
        writing.writers[0].work()
    assert sink.events == []
    assert sink.closed == 1


def test_an_optional_sink_that_is_not_there_gets_what_comes_when_it_is() -> None:
    sink = Unreachable()
    writing = Writing(optional(sink))
    writing.deliver(0)
    writing.close()
    writing.writers[0].work()
    assert numbers(sink) == [0]
    assert sink.closed == 1


def test_what_another_worker_has_by_now_is_not_written_here_as_well() -> None:
    sink = ListSink()
    writing = Writing(required(sink))
    writing.deliver(0)
    writing.tracker.progress(0).revoke(LANE, 0)
    writing.close()
    writing.writers[0].work()
    assert sink.events == []
    assert writing.offsets == []


def test_without_a_required_sink_a_place_is_done_when_it_is_handed_on() -> None:
    writing = Writing(optional(ListSink()))
    writing.deliver(0)
    assert writing.offsets == [1]


def test_latency_is_from_the_last_sample_to_a_required_sink_and_only_where_times_are_of_now() -> None:
    clock = FakeClock(utc_ns=10_000_000_000, monotonic_s=4.0)
    writing = Writing(required(ListSink()), clock=clock)
    stored, live = (window(stream) for stream in (DOOR, Stream("yard", "now", live=True)))
    for number, made in enumerate((stored, live)):
        writing.writers[0].channel.put(Delivery(writing.work(number), (said(number),), 0, span_of(made)))
    writing.close()
    writing.writers[0].work()
    value = writing.metrics.registry.get_sample_value
    assert value("pengi_stream_latency_seconds_sum") == 8.0
    assert value("pengi_stream_end_to_end_seconds_count") == 1
    assert value("pengi_stream_end_to_end_seconds_sum") == 10.0 - WINDOW / RATE


class Remembering(FakeModel):
    """Knows which of the windows that it was asked about are still held."""

    def __init__(self) -> None:
        super().__init__(RATE, 100 * RATE)
        self._asked: list[weakref.ref[Window]] = []

    def generate(self, batch: Batch) -> list[Generation]:
        self._asked += [weakref.ref(request.window) for request in batch.requests]
        return [Generation(request, "rain", 1.0) for request in batch.requests]

    @property
    def held_bytes(self) -> int:
        windows = [asked() for asked in self._asked]
        return sum(window.samples.nbytes for window in windows if window is not None)


def test_samples_that_a_stuck_sink_wants_do_not_pile_up_behind_the_model(
    waits: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_room = Reorder.has_room

    def noted(waiting: Reorder, item: Expected | Passing | Finished) -> bool:
        found = has_room(waiting, item)
        if not found:
            waits.note(0)
        return found

    monkeypatch.setattr(Reorder, "has_room", noted)
    stuck, model = Stuck(wants_samples=True), Remembering()
    piece = frame(DOOR, 0, model.window_samples)
    source = ScriptedSource([replace(piece, first_sample=n * len(piece.samples)) for n in range(120)])
    windows = WindowSpec(RATE, model.window_samples, model.window_samples, "repeat")
    run = pipeline([AudioFeed("file", source)], [stuck], model=model, windows=windows, min_dbfs=None, max_batch_size=2)
    running = Running(run.run)
    assert waits.wait_for("events", "intake-file")
    assert (
        MOST_BYTES < model.held_bytes < 4.5 * MOST_BYTES
    )  # at the sink, before it, interpreted, joined; some in the model
    stuck.let_go.set()
    assert running.result() == Outcome()
    assert len(stuck.of(TextEvent)) == 120

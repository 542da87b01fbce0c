"""What was heard becomes events in order, after bad records are kept, and what the stages know is part of a commit."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from parts import HOP, LANE, PROMPT, RATE, WINDOW, Keeper, window

from pengi_stream.engine.reorder import Expected, Finished, Ordered, Passing
from pengi_stream.engine.stages import PureStage, Stages, Step
from pengi_stream.engine.texts import Notices, Texts
from pengi_stream.errors import SinkError
from pengi_stream.metrics import Metrics
from pengi_stream.outcomes import Heard, OrderedItem, Outcome, Quiet, Unheard, span_of
from pengi_stream.positions import ReadPosition
from pengi_stream.runtime.channel import Channel, Fifo
from pengi_stream.runtime.commits import Commits
from pengi_stream.runtime.dead_letters import DeadLetters
from pengi_stream.runtime.interpreter import MOST_AT_ONCE, Interpreter
from pengi_stream.runtime.sink_writers import EVENT_BYTES, Delivery, NamedSink, SinkTools, SinkWriter, SinkWriters
from pengi_stream.runtime.tracker import Tracker
from pengi_stream.testing import FakeClock, ListSink, ScriptedSource
from pengi_stream.types import BadRecord, Plain, Resumed, Revoked, Stream, StreamEnd, StreamState

DOOR = Stream("door")


class Counts(PureStage):
    """Counts the items of a stream, and notes what it knew before each."""

    key = "counts"

    def __init__(self, told: list[object]) -> None:
        self._told = told

    def take(self, item: Outcome, state: Plain, now_ns: int) -> Step:
        count = state if isinstance(state, int) else 0
        self._told.append(("take", count))
        return Step(count + 1)


class Interpreting:
    """An interpreter between a channel that is filled beforehand and one that is read afterwards."""

    def __init__(self, keeper: Keeper | None = None) -> None:
        self.told: list[object] = [] if keeper is None else keeper.told
        self.tracker, self.source, clock = Tracker(1, 1), ScriptedSource([]), FakeClock(utc_ns=77)
        self.commits = Commits(self.tracker, {0: self.source})
        stopping = threading.Event()
        tools = SinkTools(self.commits, Metrics(), clock, 60, stopping)
        self.writer = SinkWriter(NamedSink("list", ListSink(), required=True), tools)
        self.dead_letters = DeadLetters(keeper, clock=clock, give_up_after_s=60, stopping=stopping)
        stages = Stages([Notices("test"), Texts(PROMPT, "test", "fake"), Counts(self.told)])
        sinks = SinkWriters([self.writer], self.commits)
        self._interpreter = Interpreter(stages, sinks, self.dead_letters, self.tracker, clock)

    def take(self, *items: OrderedItem) -> list[Delivery]:
        """What is on its way to the sink after `items`."""
        joined: Channel[Expected | Passing | Finished, Ordered] = Channel(Fifo(1000))  # type: ignore[arg-type]
        for item in items:
            if isinstance(item, Resumed | Revoked):
                self.tracker.advanced(0, item, None)
                joined.put(Ordered(None, item))  # type: ignore[arg-type]
            else:
                work = self.tracker.opened(0, item)
                if not isinstance(item, Heard):
                    self.tracker.advanced(0, item, None)
                joined.put(Ordered(work, item))  # type: ignore[arg-type]
        joined.close()
        self._interpreter.work(joined)
        self.writer.channel.close()
        return self.writer.channel.get_many(1000)


def heard(number: int, text: str = "rain", *, samples: bool = False) -> Heard:
    made = window(DOOR, number, offset=number)
    return Heard(span_of(made), PROMPT, text, 0.5, window=made if samples else None)


def bad(offset: int = 0, *, kept: bool = False) -> BadRecord:
    return BadRecord(DOOR, f"is no audio: {offset}", position=ReadPosition(LANE, offset), kept=kept)


def test_events_leave_in_the_order_in_which_they_were_heard() -> None:
    deliveries = Interpreting().take(heard(0, "rain"), bad(1), heard(2, "wind"))
    events = [event for each in deliveries for event in each.items]
    assert [event.type for event in events] == ["pengi_stream.text", "pengi_stream.source", "pengi_stream.text"]
    assert [each.work.number for each in deliveries] == sorted(each.work.number for each in deliveries)
    assert events[0].processed_at_ns == 77


def test_bad_records_are_kept_with_one_flush_before_anything_is_told_of_them() -> None:
    keeper = Keeper()
    Interpreting(keeper).take(heard(0), bad(1), heard(2), bad(3))
    takes = [("take", number) for number in range(4)]
    assert keeper.told == ["flush", ("write", 2), "flush", *takes, "close"]


def test_many_bad_records_are_kept_a_batch_at_a_time() -> None:
    keeper = Keeper()
    Interpreting(keeper).take(*(bad(offset) for offset in range(MOST_AT_ONCE + 3)))
    written = [told for told in keeper.told if isinstance(told, tuple) and told[0] == "write"]
    assert written == [("write", MOST_AT_ONCE), ("write", 3)]


def test_a_window_on_which_the_model_failed_is_kept_and_one_that_another_process_kept_is_not() -> None:
    keeper = Keeper()
    record = bad(5)
    failed = Unheard(span_of(window(DOOR, 1)), "the model failed on it", PROMPT, record)
    [one, other] = Interpreting(keeper).take(failed, bad(6, kept=True))
    assert keeper.records == [record]
    assert (one.record, other.record) == (None, None)  # where no transaction keeps them, sinks need not hold them
    assert [event.type for each in (one, other) for event in each.items] == ["pengi_stream.source"] * 2


class Full(Keeper):
    """Takes nothing."""

    def write(self, items: Sequence[BadRecord]) -> None:
        raise SinkError("disk is full")


def test_nothing_is_told_of_bad_records_that_could_not_be_kept() -> None:
    full = Full()
    interpreting = Interpreting(full)
    with pytest.raises(SinkError, match="disk is full"):
        interpreting.take(heard(0), bad(1))
    assert len(interpreting.writer.channel) == 0
    assert full.told == ["flush", "close"]


class Away(Keeper):
    """Is not there."""

    def flush(self, _deadline: object) -> None:
        raise SinkError("no such topic")


def test_a_place_for_bad_records_that_is_not_there_is_found_before_anything_is_taken() -> None:
    away = Away()
    with pytest.raises(SinkError, match="no such topic"):
        Interpreting(away).take(heard(0))
    assert away.told == ["close"]


def test_what_the_stages_know_behind_a_window_is_committed_with_it_and_no_sooner() -> None:
    interpreting = Interpreting()
    deliveries = interpreting.take(heard(0), heard(1), heard(2))
    interpreting.tracker.advanced(0, window(DOOR, 2, offset=2), None)

    def known() -> list[tuple[tuple[str, Plain], ...]]:
        return [state.behind for at in interpreting.tracker.progress(0).positions() for state in at.states]

    assert known() == [()]
    for count, delivery in enumerate(deliveries[:2], start=1):
        interpreting.commits.done([delivery.work])
        assert known() == [(("counts", count),)]


def test_a_stream_that_is_resumed_goes_on_with_what_was_known_of_it_and_one_that_left_does_not() -> None:
    interpreting = Interpreting()
    place = ReadPosition(LANE, 0)
    resumed = Resumed(DOOR, StreamState(DOOR, HOP, 0, (("counts", 7),)), place)
    interpreting.take(resumed, heard(1), Revoked(DOOR, place), heard(2))
    assert interpreting.told == [("take", 7), ("take", 0)]


def test_what_has_nothing_to_tell_is_done_without_the_sinks() -> None:
    interpreting = Interpreting()
    quiet = Quiet(span_of(window(DOOR, 0, offset=0)))
    assert interpreting.take(quiet, StreamEnd(DOOR, ReadPosition(LANE, 1))) == []
    assert [position.offset for position in interpreting.source.commits][-1] == 2
    assert interpreting.tracker.progress(0).positions()[0].states == ()


def test_a_delivery_weighs_what_its_samples_do_and_says_which_window_it_is_about() -> None:
    light, heavy, notice = Interpreting().take(heard(0), heard(1, samples=True), bad(9))
    assert light.bytes == EVENT_BYTES
    assert heavy.bytes == EVENT_BYTES + WINDOW * 4
    assert heavy.span == span_of(window(DOOR, 1, offset=1))
    assert heavy.items[0].sample_rate == RATE
    assert notice.span is None

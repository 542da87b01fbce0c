"""What is durable may be committed, by the source that follows its own progress as well."""

from __future__ import annotations

from pengi_stream.runtime.tracker import Tracker
from pengi_stream.types import BadRecord, Position, Resumed, Stream, StreamState

STREAM = Stream("a", "s")


def bad(offset: int, generation: int = 1) -> BadRecord:
    return BadRecord(STREAM, "odd", position=Position("audio/0", offset, generation))


def tracker() -> tuple[Tracker, list[Position]]:
    told: list[Position] = []
    return Tracker([told.append]), told


def test_a_source_is_told_and_may_ask_up_to_where_all_is_durable() -> None:
    tracking, told = tracker()
    work = bad(4)
    tracking.opened(0, work, parts=2)
    tracking.advanced(0, work, None)
    assert not tracking.done(work)
    assert [position.offset for position in told] == [4]
    assert tracking.done(work)
    assert [position.offset for position in told] == [4, 5]
    [position] = tracking.progress(0).positions()
    assert (position.offset, position.generation) == (5, 1)


def test_what_was_done_before_a_restart_is_part_of_the_progress() -> None:
    tracking, _ = tracker()
    state = StreamState(STREAM, 1500, 3)
    tracking.advanced(0, Resumed(STREAM, state, Position("audio/0", 2, 1)), None)
    tracking.advanced(0, bad(2), Position("audio/0", 2, 1))
    assert tracking.progress(0).positions()[0].states == (state,)


def test_work_of_a_partition_that_was_taken_away_is_abandoned_at_once() -> None:
    tracking, _ = tracker()
    work = bad(4)
    tracking.opened(0, work, parts=1)
    tracking.advanced(0, work, None)
    assert not tracking.is_abandoned(work)
    tracking.progress(0).revoke("audio/0", 1)
    assert tracking.is_abandoned(work)
    assert tracking.is_stale(0, bad(5))
    assert not tracking.is_stale(0, bad(5, generation=2))
    assert tracking.progress(0).positions() == []
    tracking.done(work)
    assert not tracking.is_abandoned(work)

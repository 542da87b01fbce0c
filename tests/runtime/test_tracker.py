"""What is durable may be committed, by the source that asks for its own progress as well."""

from __future__ import annotations

import pytest

from pengi_stream.errors import ConfigError
from pengi_stream.positions import ReadPosition
from pengi_stream.runtime.tracker import Tracker
from pengi_stream.types import BadRecord, Resumed, Stream, StreamState

STREAM = Stream("a", "s")


def bad(offset: int, assignment: int = 1) -> BadRecord:
    return BadRecord(STREAM, "odd", position=ReadPosition("audio/0", offset, assignment))


def test_work_is_done_when_every_required_sink_has_it() -> None:
    tracking = Tracker(sources=1, sinks=2)
    work = tracking.opened(0, bad(4))
    tracking.advanced(0, bad(4), None)
    assert not tracking.done(work)
    assert [position.offset for position in tracking.committable(0)] == [4]
    assert tracking.done(work)
    assert [position.offset for position in tracking.committable(0)] == [5]
    [position] = tracking.progress(0).positions()
    assert (position.offset, position.assignment) == (5, 1)


def test_what_was_done_before_a_restart_is_part_of_the_progress() -> None:
    tracking = Tracker(sources=1, sinks=1)
    state = StreamState(STREAM, 1500, 3, (("changes", "rain falls"),))
    tracking.advanced(0, Resumed(STREAM, state, ReadPosition("audio/0", 2, 1)), None)
    tracking.advanced(0, bad(2), ReadPosition("audio/0", 2, 1))
    assert tracking.progress(0).positions()[0].states == (state,)


def test_work_of_a_lane_that_was_taken_away_is_stale_at_once() -> None:
    tracking = Tracker(sources=1, sinks=1)
    work = tracking.opened(0, bad(4))
    tracking.advanced(0, bad(4), None)
    assert not tracking.is_stale(0, work.position)
    tracking.progress(0).revoke("audio/0", 1)
    assert tracking.is_stale(0, work.position)
    assert not tracking.is_stale(0, bad(5, assignment=2).position)
    assert tracking.progress(0).positions() == []
    tracking.done(work)


def test_a_stream_has_one_source() -> None:
    tracking = Tracker(sources=2, sinks=1)
    tracking.claim(0, STREAM)
    with pytest.raises(ConfigError, match="stream_id"):
        tracking.claim(1, STREAM)
    tracking.release(STREAM)
    tracking.claim(1, STREAM)

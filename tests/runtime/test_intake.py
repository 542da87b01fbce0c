"""What a source gives reaches the stage behind, cut and counted, and nothing that is done or another worker's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parts import HOP, LANE, RATE, TIME, WINDOW, frame, frames, window

from pengi_stream.engine.gate import Gate
from pengi_stream.engine.segment import WindowSpec
from pengi_stream.engine.windower import Windower
from pengi_stream.errors import ConfigError, SourceError
from pengi_stream.metrics import Metrics
from pengi_stream.outcomes import Quiet, Span, Unheard, WindowItem, span_of
from pengi_stream.positions import ReadPosition
from pengi_stream.runtime.channel import Channel, Fifo
from pengi_stream.runtime.commits import Commits
from pengi_stream.runtime.intake import FrameCutter, Intake, SourceOutput, WindowPasser
from pengi_stream.runtime.tracker import Tracker
from pengi_stream.testing import FakeClock, ScriptedSource
from pengi_stream.types import BadRecord, Gap, Resumed, Revoked, Stream, StreamEnd, StreamState, Window

DOOR = Stream("door")
SPEC = WindowSpec(RATE, WINDOW, HOP, "repeat")


def cutter(metrics: Metrics | None = None, clock: FakeClock | None = None) -> FrameCutter:
    return FrameCutter(Windower(SPEC), Gate(-60), metrics or Metrics(), clock or FakeClock())


def cut(by: FrameCutter | WindowPasser, items: Sequence[SourceOutput]) -> list[WindowItem]:
    return [out for item in items for out in by.cut(item)]


def place(offset: int, assignment: int = 0) -> ReadPosition:
    return ReadPosition(LANE, offset, assignment)


def test_a_quiet_window_takes_its_time_along_and_not_its_samples() -> None:
    loud, silent = frames(DOOR, WINDOW), [frame(DOOR, WINDOW + first, hertz=0) for first in (0, HOP)]
    whole = cut(FrameCutter(Windower(SPEC), Gate(None), Metrics(), FakeClock()), [*loud, *silent])
    spans = [span_of(out) for out in whole if isinstance(out, Window)]
    first, second, quiet = cut(cutter(), [*loud, *silent])
    assert isinstance(first, Window)
    assert isinstance(second, Window)
    assert quiet == Quiet(spans[2])


def test_a_window_is_ready_when_its_last_sample_arrives() -> None:
    clock = FakeClock(monotonic_s=5.0)
    by = cutter(clock=clock)
    assert cut(by, [frame(DOOR)]) == []
    clock.advance(2.0)
    [made] = cut(by, [frame(DOOR, HOP)])
    assert isinstance(made, Window)
    assert made.ready_s == 7.0


KINDS = st.lists(st.sampled_from(["frame", "late", "nan", "bad", "kept", "gap", "quiet"]), max_size=12)


@given(kinds=KINDS)
def test_each_record_of_audio_meets_one_fate(kinds: list[str]) -> None:
    metrics = Metrics()
    by, at, expected = cutter(metrics), 0, {"used": 0, "late": 0, "dead_lettered": 0}
    for kind in kinds:
        piece = frame(DOOR, at, hertz=0 if kind == "quiet" else 440)
        match kind:
            case "frame" | "quiet":
                at, fate = at + HOP, "used"
            case "late" if not at:
                continue
            case "late":
                piece, fate = frame(DOOR, at - HOP), "late"
            case "nan":
                piece, at, fate = replace(piece, samples=np.full_like(piece.samples, np.nan)), 0, "dead_lettered"
            case "bad" | "kept":
                cut(by, [BadRecord(DOOR, "is no audio", kept=kind == "kept")])
                expected["used" if kind == "kept" else "dead_lettered"] += 1
                continue
            case _:
                cut(by, [Gap(DOOR, at, HOP, RATE, TIME, "missing")])
                at = 0
                continue
        cut(by, [piece])
        expected[fate] += 1
    ledgers = metrics.ledgers
    assert {fate: ledgers.count("records", fate) for fate in expected} == expected
    assert ledgers.in_flight("records") == 0


def test_audio_is_counted_as_it_arrives() -> None:
    metrics = Metrics()
    cut(cutter(metrics), [frame(DOOR, 0, RATE), frame(DOOR, RATE, RATE // 2)])
    assert metrics.registry.get_sample_value("pengi_stream_audio_seconds_total") == 1.5


def test_a_source_that_gives_what_it_must_not_is_told_so() -> None:
    with pytest.raises(SourceError, match="door: found a window"):
        cut(cutter(), [window(DOOR)])
    with pytest.raises(SourceError, match="door: found a frame"):
        cut(WindowPasser(Metrics()), [frame(DOOR)])


def test_windows_that_were_cut_elsewhere_pass_as_they_are_without_those_that_are_done() -> None:
    metrics = Metrics()
    gone = Unheard(Span(DOOR, 0, 2 * HOP, 3 * HOP, RATE, 0, 1, place(4)), "the tail of a segment is dropped")
    early = BadRecord(DOOR, "is no audio", position=place(2))
    late = replace(early, position=place(6))
    items: list[WindowItem] = [window(DOOR, 0, offset=1), early, window(DOOR, 1, offset=3), gone, late]
    by = WindowPasser(metrics)
    state = StreamState(DOOR, HOP + 1, 3)
    assert cut(by, [Resumed(DOOR, state, place(1)), *items]) == [gone, late]
    assert metrics.ledgers.count("records", "used") == 3
    assert metrics.ledgers.count("records", "dead_lettered") == 2
    assert metrics.ledgers.in_flight("records") == 0


def test_a_window_of_a_stream_that_went_away_and_came_back_is_given_again() -> None:
    by = WindowPasser(Metrics())
    made = window(DOOR, 0, offset=1)
    resumed = Resumed(DOOR, StreamState(DOOR, HOP, 0), place(1))
    assert cut(by, [resumed, made]) == []
    assert cut(by, [Revoked(DOOR, place(1)), made]) == [made]


def test_a_stream_that_begins_anew_behind_its_end_is_given_from_its_first_window_on() -> None:
    by = WindowPasser(Metrics())
    before, end, after = window(DOOR, 0, offset=1), StreamEnd(DOOR, place(2)), window(DOOR, 0, offset=3)
    assert cut(by, [Resumed(DOOR, StreamState(DOOR, HOP, 0), place(1)), before, end, after]) == [end, after]


class Behind:
    """Keeps what it is given; the tracker hears that it is done where `done`."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self.taken: list[object] = []

    def take(self, source: int, item: WindowItem | Resumed | Revoked) -> None:
        self.taken.append(item)
        if not isinstance(item, Resumed | Revoked):
            self._tracker.finished(self._tracker.opened(source, item))


class Taking:
    """An intake, and what lies around it."""

    def __init__(self, by: FrameCutter | WindowPasser | None = None) -> None:
        self.tracker = Tracker(sources=2, sinks=1)
        self.source = ScriptedSource([])
        self.behind = Behind(self.tracker)
        commits = Commits(self.tracker, {0: self.source})
        self._intake = Intake(0, by or cutter(), self.behind, self.tracker, commits)

    def take(self, *items: SourceOutput) -> list[object]:
        """What is behind the intake after `items`."""
        channel: Channel[SourceOutput, SourceOutput] = Channel(Fifo(100))
        for item in items:
            channel.put(item)
        channel.close()
        self._intake.work(channel)
        return self.behind.taken


def test_what_another_worker_has_by_now_is_left_out() -> None:
    taking = Taking()
    mine = frame(DOOR, 0, WINDOW, offset=3, assignment=1)
    again = frame(DOOR, 0, WINDOW, offset=3, assignment=2)
    taking.tracker.progress(0).revoke(LANE, 1)
    [made] = taking.take(mine, again)
    assert isinstance(made, Window)
    assert made.position == again.position


def test_a_stream_that_was_taken_away_is_handed_on_although_its_audio_is_stale() -> None:
    taking = Taking()
    taking.tracker.progress(0).revoke(LANE, 1)
    revoked = Revoked(DOOR, place(3, 1))
    assert taking.take(frame(DOOR, 0, WINDOW, offset=3, assignment=1), revoked) == [revoked]


def test_a_place_is_committed_up_to_the_record_in_which_the_next_window_begins() -> None:
    taking = Taking()
    taking.take(*(frame(DOOR, number * HOP, offset=number) for number in range(5)))
    held = [position.offset for position in taking.source.commits]
    assert held == sorted(set(held))
    assert held[-1] == 4
    taking.take(StreamEnd(DOOR, place(5)))
    assert taking.source.commits[-1].offset == 6


@pytest.mark.parametrize(
    "over",
    [StreamEnd(DOOR), Revoked(DOOR, place(0)), BadRecord(DOOR, "is no audio", position=place(1))],
    ids=lambda item: type(item).__name__,
)
def test_a_stream_that_is_over_may_come_from_another_source(over: StreamEnd | Revoked | BadRecord) -> None:
    taking = Taking()
    taking.take(over)
    taking.tracker.claim(1, DOOR)


def test_a_stream_that_goes_on_may_not_come_from_another_source() -> None:
    taking = Taking()
    bad = BadRecord(DOOR, "is no audio", position=place(1))
    taking.take(frame(DOOR, offset=0), bad)
    with pytest.raises(ConfigError, match="stream_id"):
        taking.tracker.claim(1, DOOR)


def test_what_was_done_before_a_restart_is_known_to_the_stages_before_anything_else_comes() -> None:
    taking = Taking()
    resumed = Resumed(DOOR, StreamState(DOOR, HOP, 0, (("changes", "rain"),)), place(0))
    taken = taking.take(resumed, frame(DOOR, 0, WINDOW, offset=0), frame(DOOR, WINDOW, HOP, offset=1))
    assert taken[0] == resumed
    assert [made.first_sample for made in taken[1:] if isinstance(made, Window)] == [HOP]
    [at] = taking.tracker.progress(0).positions()
    assert [state.behind for state in at.states] == [(("changes", "rain"),)]

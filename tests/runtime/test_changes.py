"""Whoever reads on after a kill tells what an undisturbed run would have told, and none of it twice."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from parts import HOP, LANE, RATE, TIME, frame, pipeline

from pengi_stream.events import CoverageEvent, Event, TextEvent
from pengi_stream.options import Prompt
from pengi_stream.positions import ReadPosition
from pengi_stream.runtime.assembly import AudioFeed, Outcome
from pengi_stream.runtime.tracker import Tracker
from pengi_stream.testing import ListSink, ScriptedSource
from pengi_stream.types import BadRecord, CommitPosition, Gap, Resumed, SourceItem, Stream, StreamEnd

DOOR, YARD = Stream("door"), Stream("yard")
CHANGES = Prompt("changes", "generate audio caption", only_changes=True)
ALL = Prompt("all", "generate metadata")

HEARD = [440.0] * 4 + [1000.0] * 4 + [0.0] * 5 + [1000.0] * 3 + [440.0] * 4
"""Frequencies of the door's pieces, 0 for silence; behind the 14th lies a hole"""
HOLE_AT = 14


def script() -> list[SourceItem]:
    """Two streams of one lane, whose texts change and do not, with silence, a hole, a bad record and an end."""
    items: list[SourceItem] = []

    def place() -> ReadPosition:
        return ReadPosition(LANE, len(items))

    missing = 3 * HOP
    behind = HOLE_AT * HOP + missing
    for number, hertz in enumerate(HEARD):
        if number == HOLE_AT:
            items.append(Gap(DOOR, HOLE_AT * HOP, missing, RATE, TIME, "missing", place()))
        after_hole = number >= HOLE_AT
        first, segment = number * HOP + missing * after_hole, behind if after_hole else 0
        items.append(frame(DOOR, first, hertz=hertz, offset=len(items), segment_sample=segment))
        if number % 2:
            piece = number // 2
            items.append(frame(YARD, piece * 300, 300, hertz=600.0, offset=len(items), segment_sample=0))
        if number == 9:
            items.append(BadRecord(YARD, "is no audio", position=place()))
    items.append(StreamEnd(DOOR, place()))
    items.append(StreamEnd(YARD, place()))
    return items


ITEMS = script()


class Watched(ScriptedSource):
    """Notes, at each commit, where it was and what was durable by then."""

    def __init__(self, items: Sequence[SourceItem], tracker: Tracker, sink: ListSink) -> None:
        super().__init__(items)
        self._progress = tracker.progress(0)
        self._sink = sink
        self.seen: list[tuple[Sequence[CommitPosition], set[str]]] = []

    def commit(self, position: CommitPosition) -> None:
        positions = self._progress.positions()
        self.seen.append((positions, {event.id for event in self._sink.events[: self._sink.durable]}))


class Run:
    """A pipeline over `items`, run until they end: a kill right behind the last of them."""

    def __init__(self, items: Sequence[SourceItem]) -> None:
        tracker, self.sink = Tracker(1, 1), ListSink()
        self.source = Watched(items, tracker, self.sink)
        run = pipeline(
            [AudioFeed("source", self.source)], [self.sink], prompts=[CHANGES, ALL], tracker=tracker, max_batch_size=2
        )
        outcome = run.run()
        assert outcome == Outcome(bad_records=outcome.bad_records)
        self.positions = tracker.progress(0).positions()

    def told(self, stream: Stream, *kinds: type[Event]) -> list[Event]:
        return [e for e in self.sink.events if e.stream_id == stream.id and (not kinds or isinstance(e, kinds))]


def resumed(positions: Sequence[CommitPosition]) -> list[SourceItem]:
    """What a source gives that goes on at `positions`."""
    [at] = positions or [CommitPosition(LANE, 0)]
    begin = ReadPosition(LANE, at.offset)
    return [
        *(Resumed(state.stream, state, begin) for state in at.states),
        *(item for item in ITEMS if item.position is not None and item.position.offset >= at.offset),
    ]


@pytest.fixture(scope="module")
def undisturbed() -> Run:
    return Run(ITEMS)


def ids(events: Sequence[Event]) -> list[tuple[str, str]]:
    return [(event.type, event.id) for event in events]


def test_a_text_is_told_where_it_changes_and_only_there(undisturbed: Run) -> None:
    told = [event for event in undisturbed.sink.of(TextEvent) if event.prompt_id == CHANGES.id]
    door = [event.text for event in told if event.stream_id == DOOR.id]
    assert len(door) > 3
    assert all(one != other for one, other in pairwise(door))
    every = [e for e in undisturbed.sink.of(TextEvent) if e.prompt_id == ALL.id and e.stream_id == DOOR.id]
    assert len(every) > len(door)


@pytest.mark.parametrize("cut", range(len(ITEMS) + 1))
def test_a_run_that_is_killed_behind_any_record_goes_on_as_if_it_had_not_been(cut: int, undisturbed: Run) -> None:
    killed = Run(ITEMS[:cut])
    again = Run(resumed(killed.positions))
    for stream in (DOOR, YARD):
        assert ids(killed.told(stream) + again.told(stream)) == ids(undisturbed.told(stream))


@pytest.mark.parametrize("cut", range(1, len(ITEMS)))
def test_a_run_that_is_killed_again_before_anything_changes_goes_on_as_well(cut: int, undisturbed: Run) -> None:
    first = Run(ITEMS[:cut])
    second = Run([item for item in resumed(first.positions) if item.position and item.position.offset <= cut])
    third = Run(resumed(second.positions))
    for stream in (DOOR, YARD):
        told = [event for run in (first, second, third) for event in run.told(stream)]
        assert ids(told) == ids(undisturbed.told(stream))


def test_from_every_place_that_was_committed_on_each_event_is_told_once_more_at_most(undisturbed: Run) -> None:
    seen = {repr(positions): (positions, durable) for positions, durable in undisturbed.source.seen}
    assert len(seen) > 1
    for positions, durable in seen.values():
        again = Run(resumed(positions))
        for stream in (DOOR, YARD):
            texts = [event for event in undisturbed.told(stream, TextEvent) if not _is_done(event, positions, stream)]
            assert ids(again.told(stream, TextEvent)) == ids(texts)
            for kinds in ((TextEvent,), (CoverageEvent,), ()):
                rest, whole = ids(again.told(stream, *kinds)), ids(undisturbed.told(stream, *kinds))
                before = whole[: len(whole) - len(rest)]
                assert before + rest == whole
                assert {name for _, name in before} <= durable


def _is_done(event: Event, positions: Sequence[CommitPosition], stream: Stream) -> bool:
    assert isinstance(event, TextEvent)
    [at] = positions
    states = {state.stream: state for state in at.states}
    if stream in states:
        return event.first_sample < states[stream].next_sample
    return at.offset > next(item.position.offset for item in ITEMS if item.stream == stream and item.position)


def test_nothing_is_remembered_of_streams_that_have_ended(undisturbed: Run) -> None:
    [at] = undisturbed.positions
    assert (at.offset, at.states) == (len(ITEMS), ())

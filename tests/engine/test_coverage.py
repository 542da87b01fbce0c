"""Every sample of a stream was heard, quiet or unheard, and exactly one event says which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pengi_stream.engine.coverage import TOLD_EVERY_NS, Coverage
from pengi_stream.engine.segment import BETWEEN, TAIL_DROPPED, Tail, WindowSpec
from pengi_stream.engine.windower import Windower
from pengi_stream.events import CoverageEvent
from pengi_stream.options import Prompt
from pengi_stream.outcomes import Heard, Outcome, Quiet, Span, StatusChange, Unheard, WindowItem, span_of
from pengi_stream.status import Status
from pengi_stream.types import NS_PER_S, BadRecord, Frame, Gap, Plain, Stream, StreamEnd, TimeMap, Window

RATE = 4
"""Hertz, low enough to paint every sample by hand"""
DOOR = Stream("door", "session")
PROMPTS = (Prompt("caption", "what is it"), Prompt("tags", "generate metadata"))
START_NS = 1_769_860_800 * NS_PER_S


def utc_ns(sample: int) -> int:
    return START_NS + sample * NS_PER_S // RATE


def span(first: int, end: int, segment: int = 0) -> Span:
    return Span(DOOR, segment, first, end, RATE, utc_ns(first), utc_ns(end))


def heard(first: int, end: int, segment: int = 0, prompt: Prompt = PROMPTS[0]) -> Heard:
    return Heard(span(first, end, segment), prompt, "rain", 0.5)


def gap(first: int, samples: int) -> Gap:
    return Gap(DOOR, first, samples, RATE, TimeMap(0, START_NS, RATE), "overflow")


def through_bytes(state: Plain) -> Plain:
    """As it is after it was committed and read again: sequences only, in tuples."""

    def read(value: object) -> Plain:
        if isinstance(value, list):
            return tuple(read(item) for item in value)
        assert value is None or isinstance(value, str | int | float | bool)
        return value

    def written(value: Plain) -> object:
        return [written(item) for item in value] if isinstance(value, tuple) else value

    return read(written(state))


def told(items: Sequence[Outcome], *, handed_over: bool = False) -> list[CoverageEvent]:
    """All events of `items`; with `handed_over`, each item meets another worker, which has nothing but the state."""
    stage, state, events = Coverage("p"), None, list[CoverageEvent]()
    for item in items:
        if handed_over:
            stage, state = Coverage("p"), through_bytes(state)
        step = stage.take(item, state, now_ns=0)
        state = step.state
        for event in step.events:
            assert isinstance(event, CoverageEvent)
            events.append(event)
    return events


def shares(items: Sequence[Outcome]) -> list[tuple[int, int, str, str]]:
    return [(event.first_sample, event.end_sample, event.kind, event.reason) for event in told(items)]


def test_one_window_accounts_for_all_of_it_when_the_stream_ends() -> None:
    [event] = told([heard(0, 8), StreamEnd(DOOR)])
    assert (event.first_sample, event.end_sample, event.kind, event.reason) == (0, 8, "heard", "")
    assert (event.start_ns, event.end_ns, event.sample_rate) == (utc_ns(0), utc_ns(8), RATE)
    assert (event.stream_id, event.pipeline) == ("door", "p")


def test_windows_that_overlap_account_for_their_time_up_to_the_next() -> None:
    items = [heard(0, 8), Quiet(span(4, 12)), heard(8, 16), StreamEnd(DOOR)]
    assert shares(items) == [(0, 4, "heard", ""), (4, 8, "quiet", ""), (8, 16, "heard", "")]


def test_a_run_of_one_kind_is_one_event() -> None:
    items = [heard(0, 8), heard(4, 12), Quiet(span(8, 16)), Quiet(span(12, 20)), StreamEnd(DOOR)]
    assert shares(items) == [(0, 8, "heard", ""), (8, 20, "quiet", "")]


def test_time_between_two_windows_is_unheard() -> None:
    items = [heard(0, 4), heard(10, 14), Unheard(span(14, 17), BETWEEN), StreamEnd(DOOR)]
    assert shares(items) == [(0, 4, "heard", ""), (4, 10, "unheard", BETWEEN), (10, 14, "heard", ""),
                             (14, 17, "unheard", BETWEEN)]  # fmt: skip


def test_a_window_was_heard_if_all_prompts_were_answered_and_quiet_only_if_none_was_asked() -> None:
    caption, tags = PROMPTS
    items: list[Outcome] = [
        heard(0, 4, prompt=caption),
        Unheard(span(0, 4), "too old", tags),
        Unheard(span(4, 8), "too old", caption),
        heard(4, 8, prompt=tags),
        heard(8, 12, prompt=caption),
        heard(8, 12, prompt=tags),
        StreamEnd(DOOR),
    ]
    assert shares(items) == [(0, 8, "unheard", "too old"), (8, 12, "heard", "")]


def test_reasons_are_told_apart() -> None:
    items = [Unheard(span(0, 4), "too old"), Unheard(span(4, 8), "the model failed"), StreamEnd(DOOR)]
    assert shares(items) == [(0, 4, "unheard", "too old"), (4, 8, "unheard", "the model failed")]


def test_a_gap_ends_what_was_heard_and_is_no_part_of_it() -> None:
    items = [heard(0, 8), gap(8, 4), heard(12, 20, segment=12), StreamEnd(DOOR)]
    assert shares(items) == [(0, 8, "heard", ""), (12, 20, "heard", "")]


def test_a_new_segment_without_a_gap_begins_a_new_event() -> None:
    items = [heard(0, 8), heard(6, 14), heard(20, 28, segment=20), StreamEnd(DOOR)]
    assert shares(items) == [(0, 14, "heard", ""), (20, 28, "heard", "")]


def test_what_is_no_window_changes_nothing() -> None:
    between: list[Outcome] = [BadRecord(DOOR, "x"), StatusChange(DOOR, "yard", Status("stalled"), 0)]
    assert shares([heard(0, 8), *between, heard(4, 12), StreamEnd(DOOR)]) == [(0, 12, "heard", "")]
    assert shares([*between, gap(0, 4), StreamEnd(DOOR)]) == []


def test_nothing_is_remembered_behind_a_gap_or_an_end() -> None:
    for item in (gap(8, 4), StreamEnd(DOOR)):
        stage = Coverage("p")
        step = stage.take(item, stage.take(heard(0, 8), None, 0).state, 0)
        assert (step.state, len(step.events)) == (None, 1)


@pytest.mark.parametrize("hop", [2, 8, 12])
def test_a_long_run_is_told_once_a_minute(hop: int) -> None:
    stage, state, since = Coverage("p"), None, 0
    for first in range(0, 30 * 60 * RATE, hop):
        step = stage.take(Quiet(span(first, first + hop)), state, 0)
        state = step.state
        for event in step.events:
            assert event.first_sample == since  # type: ignore[union-attr]
            since = event.end_sample  # type: ignore[union-attr]
        assert first + hop - since <= 60 * RATE + 2 * hop
    assert since > 28 * 60 * RATE


def test_an_event_has_its_own_id_and_the_same_whenever_it_is_made_again() -> None:
    items = [heard(0, 4), Quiet(span(4, 8)), heard(8, 12), gap(12, 4), heard(16, 20, 16), StreamEnd(DOOR)]
    ids = [event.id for event in told(items)]
    assert len(set(ids)) == 4
    assert [event.id for event in told(items)] == ids
    fewer = [event.id for event in told(items[1:])]
    assert fewer == ids[1:]


@dataclass(frozen=True)
class Cut:
    """What became of one segment."""

    first: int
    end: int
    items: tuple[Outcome, ...]
    kinds: tuple[str, ...]
    """Of each of its samples"""


KINDS = st.sampled_from(["heard", "quiet", "unheard"])
TAILS = st.sampled_from(["pad", "drop"])


@st.composite
def segments(draw: st.DrawFn, first: int, window: int, hop: int) -> Cut:
    """A segment of windows of `window` samples, each `hop` behind the last; painted by the rule, sample by sample."""
    length, tail = draw(st.integers(1, 6 * max(window, hop))), draw(TAILS)
    items: list[Outcome] = []
    kinds = ["unheard"] * length
    starts = list(range(0, max(0, length - window + 1), hop))
    following = starts[-1] + hop if starts else 0
    covered = starts[-1] + window if starts else 0
    if tail == "pad" and length > max(covered, following):
        starts.append(following)
        covered = length
    for number, start in enumerate(starts):
        end = min(start + window, length)
        share = min(end, starts[number + 1]) if number + 1 < len(starts) else end
        place = span(first + start, first + end, first)
        said = draw(st.lists(KINDS, min_size=1, max_size=len(PROMPTS)))
        if "quiet" in said:
            items.append(Quiet(place))
            kind = "quiet"
        else:
            for prompt, each in zip(PROMPTS, said, strict=False):
                answered = each == "heard"
                items.append(Heard(place, prompt, "x", 0.5) if answered else Unheard(place, "too old", prompt))
            kind = "unheard" if "unheard" in said else "heard"
        kinds[start:share] = [kind] * (share - start)
        if draw(st.booleans()):
            items.append(BadRecord(DOOR, "passes by"))
    if length > covered:
        items.append(Unheard(span(first + covered, first + length, first), TAIL_DROPPED))
    return Cut(first, first + length, tuple(items), tuple(kinds))


@st.composite
def streams(draw: st.DrawFn) -> list[Cut]:
    """Segments with holes between them, each with windows of one shape; some windows last for half a minute."""
    window = draw(st.integers(1, 12) | st.integers(80, 120))
    hop = draw(st.integers(1, 2 * window) | st.sampled_from([window, window + 1, max(1, window // 2)]))
    cuts: list[Cut] = []
    for _ in range(draw(st.integers(1, 4))):
        first = cuts[-1].end + draw(st.integers(1, 20)) if cuts else draw(st.integers(0, 50))
        cuts.append(draw(segments(first, window, hop)))
    return cuts


def outcomes(cuts: Sequence[Cut], data: st.DataObject) -> list[Outcome]:
    items: list[Outcome] = list(cuts[0].items)
    for before, cut in pairwise(cuts):
        if data.draw(st.booleans()):
            items.append(gap(before.end, cut.first - before.end))
        items += cut.items
    return [*items, StreamEnd(DOOR)]


@given(streams(), st.data())
def test_every_sample_is_accounted_for_once_in_order_and_for_what_it_was(cuts: list[Cut], data: st.DataObject) -> None:
    events = told(outcomes(cuts, data))
    for before, event in pairwise(events):
        assert before.end_sample <= event.first_sample
        assert before.id != event.id
    painted: dict[int, str] = {}
    for event in events:
        assert event.first_sample < event.end_sample
        assert (event.start_ns, event.end_ns) == (utc_ns(event.first_sample), utc_ns(event.end_sample))
        assert bool(event.reason) == (event.kind == "unheard")
        painted |= dict.fromkeys(range(event.first_sample, event.end_sample), event.kind)
    expected = {cut.first + number: kind for cut in cuts for number, kind in enumerate(cut.kinds)}
    assert painted == expected
    assert sum(event.end_sample - event.first_sample for event in events) == len(expected)
    boundaries = {cut.first for cut in cuts} | {cut.end for cut in cuts}
    assert all(not event.first_sample < place < event.end_sample for event in events for place in boundaries)


@given(streams(), st.data())
def test_neighbours_of_one_kind_and_reason_are_one_event_unless_a_minute_is_over(
    cuts: list[Cut], data: st.DataObject
) -> None:
    firsts = {cut.first for cut in cuts}
    for before, event in pairwise(told(outcomes(cuts, data))):
        if (before.kind, before.reason) == (event.kind, event.reason) and event.first_sample not in firsts:
            assert before.end_ns - before.start_ns >= TOLD_EVERY_NS


@given(streams(), st.data())
def test_the_events_are_the_same_wherever_the_stream_was_taken_over(cuts: list[Cut], data: st.DataObject) -> None:
    items = outcomes(cuts, data)
    assert told(items, handed_over=True) == told(items)


@given(streams(), st.data())
def test_a_state_is_plain_and_survives_being_written_down(cuts: list[Cut], data: st.DataObject) -> None:
    stage, state = Coverage("p"), None
    for item in outcomes(cuts, data):
        state = stage.take(item, state, 0).state
        assert through_bytes(state) == state


@given(st.binary() | st.text() | st.none() | st.tuples(st.integers(), st.text()))
def test_a_state_of_another_shape_is_no_state(state: object) -> None:
    step = Coverage("p").take(heard(0, 8), state, 0)  # type: ignore[arg-type]
    assert step.events == ()
    assert step.state == Coverage("p").take(heard(0, 8), None, 0).state


@given(
    window=st.integers(1, 30),
    hop=st.integers(1, 60),
    tail=st.sampled_from(["pad", "repeat", "drop"]),
    frames=st.lists(st.tuples(st.integers(1, 80), st.integers(0, 3)), min_size=1, max_size=8),
)
def test_what_the_windower_cuts_covers_every_sample_that_came(
    window: int, hop: int, tail: Tail, frames: list[tuple[int, int]]
) -> None:
    windower, items, came, first = Windower(WindowSpec(RATE, window, hop, tail)), list[Outcome](), set[int](), 0
    for size, hole in frames:
        came |= set(range(first, first + size))
        frame = Frame(DOOR, first, np.zeros((size, 1), np.float32), RATE, TimeMap(0, START_NS, RATE))
        items += [as_heard(item) for item in windower.push(frame, 0.0)]
        first += size + (0 if hole else 5)  # one in four frames is followed by a hole
    items += [as_heard(item) for item in windower.push(StreamEnd(DOOR), 0.0)]
    events = told(items)
    covered = [sample for event in events for sample in range(event.first_sample, event.end_sample)]
    assert covered == sorted(came)


def as_heard(item: WindowItem) -> Outcome:
    return Heard(span_of(item), PROMPTS[0], "x", 0.5) if isinstance(item, Window) else item

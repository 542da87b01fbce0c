"""A position is committable when, and only when, all before it is done; the states it carries are those of a run that
was never disturbed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pengi_stream.engine.watermark import Watermark, Work
from pengi_stream.positions import ReadPosition
from pengi_stream.types import CommitPosition, Stream, StreamState

A, B = Stream("a"), Stream("b")


def at(offset: int, lane: str = "p", assignment: int = 0) -> ReadPosition:
    return ReadPosition(lane, offset, assignment)


def work(number: int, stream: Stream, position: ReadPosition | None, first_sample: int | None = None) -> Work:
    return Work(number, 0, stream, position, first_sample)


def offsets(watermark: Watermark) -> list[int]:
    return [position.offset for position in watermark.committable()]


def test_what_is_read_and_done_is_committed_up_to_the_next_offset() -> None:
    watermark, window = Watermark(), work(1, A, at(0), 1)
    watermark.opened(window)
    watermark.read(A, at(0), None)
    assert offsets(watermark) == [0]
    watermark.done(window)
    assert offsets(watermark) == [1]
    assert offsets(watermark) == []


def test_the_next_window_of_a_stream_holds_the_record_in_which_it_begins() -> None:
    watermark = Watermark()
    watermark.read(A, at(5), at(3))
    watermark.read(B, at(6), None)
    assert offsets(watermark) == [3]
    watermark.read(A, at(7), None)
    assert offsets(watermark) == [8]


def test_work_without_a_position_costs_nothing_and_commits_nothing() -> None:
    watermark, window = Watermark(), work(1, A, None)
    watermark.opened(window)
    watermark.done(window)
    assert watermark.committable() == []


def test_work_of_a_lane_that_was_taken_away_is_forgotten() -> None:
    watermark, old, new = Watermark(), work(1, A, at(0, assignment=1), 1), work(2, A, at(2, assignment=2), 2)
    watermark.opened(old)
    watermark.read(A, at(4, assignment=1), None)
    watermark.revoked("p", 1)
    assert watermark.is_stale(at(0, assignment=1))
    assert not watermark.is_stale(at(0, assignment=2))
    watermark.done(old)
    watermark.opened(work(3, A, at(3, assignment=1), 3))
    assert watermark.positions() == []
    assert watermark.committable() == []
    watermark.opened(new)
    watermark.read(A, at(3, assignment=1), None)
    watermark.read(A, at(2, assignment=2), None)
    assert offsets(watermark) == [2]
    watermark.done(new)
    assert offsets(watermark) == [3]


def test_a_record_that_gives_several_items_is_read_with_the_last_of_them() -> None:
    watermark = Watermark()
    watermark.read(A, ReadPosition("p", 3, more=True), None)
    assert offsets(watermark) == [3]
    watermark.read(A, at(3), None)
    assert offsets(watermark) == [4]


def test_positions_say_which_windows_and_gaps_of_each_stream_are_done() -> None:
    watermark = Watermark()
    first, second, end = work(1, A, at(0), 100), work(2, A, at(1), 140), work(3, B, at(2))
    for each in (first, second, end):
        watermark.opened(each)
    watermark.read(A, at(1), at(1))
    watermark.read(B, at(2), None)
    watermark.done(second)
    [position] = watermark.positions()
    assert (position.offset, position.states) == (0, (StreamState(A, 100, 0), StreamState(B, 0, 2)))
    watermark.done(first)
    watermark.done(end)
    [position] = watermark.positions()
    assert (position.offset, position.states) == (1, (StreamState(A, 141, 0), StreamState(B, 0, 3)))


def test_a_stream_that_ended_is_told_until_a_replay_would_no_longer_give_it() -> None:
    watermark, end = Watermark(), work(1, B, at(5))
    watermark.read(A, at(4), at(4))
    watermark.opened(end)
    watermark.read(B, at(5), None)
    watermark.done(end)
    [position] = watermark.positions()
    assert (position.offset, position.states) == (4, (StreamState(A, 0, 0), StreamState(B, 0, 6)))
    watermark.read(A, at(6), at(6))
    [position] = watermark.positions()
    assert (position.offset, position.states) == (6, (StreamState(A, 0, 0),))


def test_what_was_done_before_a_restart_stays_done_and_what_was_known_stays_known() -> None:
    watermark = Watermark()
    state = StreamState(A, 140, 3, (("changes", "a dog barks"),))
    watermark.resumed(state, at(2))
    assert watermark.positions() == []
    watermark.read(A, at(2), at(2))
    assert watermark.positions() == [CommitPosition("p", 2, states=(state,))]


def test_a_state_waits_until_all_prompts_of_its_window_are_done() -> None:
    watermark, first, second = Watermark(), work(1, A, at(0), 100), work(2, A, at(0), 100)
    for each in (first, second):
        watermark.opened(each)
    watermark.read(A, at(1), at(1))
    watermark.interpreted(first, [("one", "x")])
    watermark.done(first)
    assert watermark.positions()[0].states == (StreamState(A, 100, 0),)
    watermark.interpreted(second, [("two", "y")])
    watermark.done(second)
    assert watermark.positions()[0].states == (StreamState(A, 101, 0, (("one", "x"), ("two", "y"))),)


def test_what_is_done_behind_a_gap_that_is_not_counts_as_not_done() -> None:
    watermark, gap, window = Watermark(), work(1, A, at(3)), work(2, A, at(4), 500)
    watermark.opened(gap)
    watermark.opened(window)
    watermark.read(A, at(5), at(5))
    watermark.interpreted(window, [("one", "x")])
    watermark.done(window)
    assert watermark.positions() == [CommitPosition("p", 3, states=(StreamState(A, 500, 3),))]
    watermark.done(gap)
    assert watermark.positions() == [CommitPosition("p", 5, states=(StreamState(A, 501, 4, (("one", "x"),)),))]


@given(st.permutations(range(8)))
def test_lanes_are_independent_and_the_order_of_completion_does_not_matter(order: list[int]) -> None:
    watermark = Watermark()
    works = [work(key, A, at(key // 2, f"p{key % 2}"), key) for key in range(8)]
    for key, each in enumerate(works):
        watermark.opened(each)
        watermark.read(A, at(key // 2, f"p{key % 2}"), None)
    last = {"p0": 0, "p1": 0}
    done: set[int] = set()
    for key in order:
        watermark.done(works[key])
        done.add(key)
        for position in watermark.committable():
            assert position.offset > last[position.lane] or position.offset == 0
            last[position.lane] = position.offset
        for lane in (0, 1):
            undone = [k // 2 for k in range(8) if k % 2 == lane and k not in done]
            assert last[f"p{lane}"] == min(undone, default=4)


class Against(RuleBasedStateMachine):
    """The watermark beside a list of everything that ever happened. The state behind the model is how many items of
    the stream came before, so that a state that fits the position's samples is exact."""

    def __init__(self) -> None:
        super().__init__()
        self.watermark = Watermark()
        self.next_offset = 0
        self.open: dict[int, tuple[Work, int]] = {}
        self.held: dict[str, int] = {}
        self.given: dict[str, list[int]] = {"a": [], "b": []}
        self.committed = -1

    @rule(stream=st.sampled_from("ab"), works=st.integers(0, 2), replay_from=st.none() | st.integers(0, 3))
    def arrive(self, stream: str, works: int, replay_from: int | None) -> None:
        """A record arrives, completes windows that began in it or before, and holds for the next one."""
        begin = max(0, min([self.next_offset, *([self.held[stream]] if stream in self.held else [])]))
        for number in range(works):
            key = self.next_offset * 10 + number
            each = work(key, Stream(stream), at(begin), key)
            self.watermark.opened(each)
            self.given[stream].append(key)
            self.watermark.interpreted(each, [("count", len(self.given[stream]))])
            self.open[key] = each, begin
        self.held.pop(stream, None)
        held = None
        if replay_from is not None:
            held = max(begin, self.next_offset - replay_from)
            self.held[stream] = held
        self.watermark.read(Stream(stream), at(self.next_offset), None if held is None else at(held))
        self.next_offset += 1

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.open)))
        self.watermark.done(self.open.pop(key)[0])

    @invariant()
    def commits_exactly_what_is_safe(self) -> None:
        for position in self.watermark.committable():
            assert position.offset > self.committed
            self.committed = position.offset
        if self.next_offset:
            begins = [begin for _, begin in self.open.values()]
            assert self.committed == min([self.next_offset, *begins, *self.held.values()])

    @invariant()
    def states_are_those_after_the_windows_that_count_as_done(self) -> None:
        for position in self.watermark.positions():
            for state in position.states:
                before = [key for key in self.given[state.stream.id] if key < state.next_sample]
                assert dict(state.behind).get("count", 0) == len(before)
                assert not any(key < state.next_sample for key in self.open if key in before)


TestAgainstAModel = Against.TestCase

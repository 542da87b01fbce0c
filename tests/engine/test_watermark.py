"""A position is committable when, and only when, all before it is done."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pengi_stream.engine.watermark import Watermark
from pengi_stream.types import Position, Stream, StreamState

A, B = Stream("a"), Stream("b")


def at(offset: int, partition: str = "p", generation: int = 0) -> Position:
    return Position(partition, offset, generation)


def offsets(watermark: Watermark) -> list[int]:
    return [position.offset for position in watermark.committable()]


def test_what_is_read_and_done_is_committed_up_to_the_next_offset() -> None:
    watermark = Watermark()
    watermark.opened(1, A, at(0), 1)
    watermark.read(A, at(0), None)
    assert offsets(watermark) == [0]
    watermark.done(1)
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
    watermark = Watermark()
    watermark.opened(1, A, None)
    watermark.done(1)
    assert watermark.committable() == []


def test_work_of_a_partition_that_was_taken_away_is_forgotten() -> None:
    watermark = Watermark()
    watermark.opened(1, A, at(0, generation=1), 1)
    watermark.read(A, at(4, generation=1), None)
    watermark.revoked("p", 1)
    assert watermark.is_stale(at(0, generation=1))
    assert not watermark.is_stale(at(0, generation=2))
    watermark.done(1)
    watermark.opened(3, A, at(3, generation=1), 3)
    assert watermark.positions() == []
    assert watermark.committable() == []
    watermark.opened(2, A, at(2, generation=2), 2)
    watermark.read(A, at(3, generation=1), None)
    watermark.read(A, at(2, generation=2), None)
    assert offsets(watermark) == [2]
    watermark.done(2)
    assert offsets(watermark) == [3]


def test_a_record_that_gives_several_items_is_read_with_the_last_of_them() -> None:
    watermark = Watermark()
    watermark.read(A, Position("p", 3, more=True), None)
    assert offsets(watermark) == [3]
    watermark.read(A, at(3), None)
    assert offsets(watermark) == [4]


def test_positions_say_which_windows_and_gaps_of_each_stream_are_done() -> None:
    watermark = Watermark()
    watermark.opened(1, A, at(0), 100)
    watermark.opened(2, A, at(1), 140)
    watermark.opened(3, B, at(2))
    watermark.read(A, at(1), at(1))
    watermark.read(B, at(2), None)
    watermark.done(2)
    [position] = watermark.positions()
    assert (position.offset, position.states) == (0, (StreamState(A, 100, 0), StreamState(B, 0, 2)))
    watermark.done(1)
    watermark.done(3)
    [position] = watermark.positions()
    assert (position.offset, position.states) == (1, (StreamState(A, 141, 0), StreamState(B, 0, 3)))


def test_a_stream_that_ended_is_told_until_a_replay_would_no_longer_give_it() -> None:
    watermark = Watermark()
    watermark.read(A, at(4), at(4))
    watermark.opened(1, B, at(5))
    watermark.read(B, at(5), None)
    watermark.done(1)
    [position] = watermark.positions()
    assert (position.offset, position.states) == (4, (StreamState(A, 0, 0), StreamState(B, 0, 6)))
    watermark.read(A, at(6), at(6))
    [position] = watermark.positions()
    assert (position.offset, position.states) == (6, (StreamState(A, 0, 0),))


def test_what_was_done_before_a_restart_stays_done() -> None:
    watermark = Watermark()
    watermark.resumed(StreamState(A, 140, 3), at(2))
    assert watermark.positions() == []
    watermark.read(A, at(2), at(2))
    assert watermark.positions() == [Position("p", 2, states=(StreamState(A, 140, 3),))]


@given(st.permutations(range(8)))
def test_partitions_are_independent_and_the_order_of_completion_does_not_matter(order: list[int]) -> None:
    watermark = Watermark()
    for key in range(8):
        watermark.opened(key, A, at(key // 2, f"p{key % 2}"), key)
        watermark.read(A, at(key // 2, f"p{key % 2}"), None)
    last = {"p0": 0, "p1": 0}
    done: set[int] = set()
    for key in order:
        watermark.done(key)
        done.add(key)
        for position in watermark.committable():
            assert position.offset > last[position.partition] or position.offset == 0
            last[position.partition] = position.offset
        for partition in (0, 1):
            undone = [k // 2 for k in range(8) if k % 2 == partition and k not in done]
            assert last[f"p{partition}"] == min(undone, default=4)


class Against(RuleBasedStateMachine):
    """The watermark beside a list of everything that ever happened."""

    def __init__(self) -> None:
        super().__init__()
        self.watermark = Watermark()
        self.next_offset = 0
        self.open: dict[int, int] = {}
        self.held: dict[str, int] = {}
        self.committed = -1

    @rule(stream=st.sampled_from("ab"), works=st.integers(0, 2), hold=st.none() | st.integers(0, 3))
    def arrive(self, stream: str, works: int, hold: int | None) -> None:
        """A record arrives, completes windows that began in it or before, and holds for the next one."""
        begin = max(0, min([self.next_offset, *([self.held[stream]] if stream in self.held else [])]))
        for work in range(works):
            key = self.next_offset * 10 + work
            self.watermark.opened(key, Stream(stream), at(begin), key)
            self.open[key] = begin
        self.held.pop(stream, None)
        held = None
        if hold is not None:
            held = max(begin, self.next_offset - hold)
            self.held[stream] = held
        self.watermark.read(Stream(stream), at(self.next_offset), None if held is None else at(held))
        self.next_offset += 1

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.open)))
        self.watermark.done(key)
        del self.open[key]

    @invariant()
    def commits_exactly_what_is_safe(self) -> None:
        for position in self.watermark.committable():
            assert position.offset > self.committed
            self.committed = position.offset
        if self.next_offset:
            assert self.committed == min([self.next_offset, *self.open.values(), *self.held.values()])


TestAgainstAModel = Against.TestCase

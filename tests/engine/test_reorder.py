"""What the model was asked and what went around it come out in the order of their streams, whoever is ready first."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from pengi_stream.engine.reorder import Expected, Finished, Ordered, Passing, Reorder
from pengi_stream.engine.watermark import Work
from pengi_stream.outcomes import Span, Unheard
from pengi_stream.types import Stream, StreamEnd


@dataclass(frozen=True)
class Item:
    """The number in its whole, its stream, and whether the model is asked."""

    number: int
    stream: str
    asked: bool


ITEMS = st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=16).map(
    lambda drawn: [Item(number, stream, asked) for number, (stream, asked) in enumerate(drawn)]
)


def work(number: int, stream: str) -> Work:
    return Work(number, 0, Stream(stream), None, None)


def outcome(stream: str) -> Unheard:
    return Unheard(Span(Stream(stream), 0, 0, 1, 1, 0, 1), "test")


def add(reorder: Reorder, item: Item) -> None:
    done = work(item.number, item.stream)
    if item.asked:
        reorder.add(Expected(item.number, item.stream, done), 0.0)
    else:
        reorder.add(Passing(item.stream, done, StreamEnd(Stream(item.stream))), 0.0)


def drained(reorder: Reorder) -> list[int]:
    found = []
    while (ordered := reorder.take(0.0)) is not None:
        assert isinstance(ordered, Ordered)
        assert ordered.work is not None
        found.append(ordered.work.number)
    return found


def finish(reorder: Reorder, *items: Item) -> None:
    reorder.add(Finished(tuple((item.number, outcome(item.stream)) for item in items)), 0.0)


@given(ITEMS, st.data())
def test_everything_comes_once_and_in_the_order_of_its_stream(items: list[Item], data: st.DataObject) -> None:
    reorder, taken, open_items = Reorder(100), list[int](), list[Item]()
    for item in items:
        add(reorder, item)
        open_items += [item] if item.asked else []
        while open_items and data.draw(st.booleans()):
            finish(reorder, open_items.pop(data.draw(st.integers(0, len(open_items) - 1))))
        taken += drained(reorder)
    finish(reorder, *data.draw(st.permutations(open_items)))
    taken += drained(reorder)
    assert sorted(taken) == [item.number for item in items]
    for stream in "abcd":
        of_stream = {item.number for item in items if item.stream == stream}
        assert [number for number in taken if number in of_stream] == sorted(of_stream)
    assert len(reorder) == 0


@given(ITEMS, st.data())
def test_an_item_waits_for_nothing_but_earlier_requests_of_its_stream(items: list[Item], data: st.DataObject) -> None:
    reorder = Reorder(100)
    for item in items:
        add(reorder, item)
    asked = [item for item in items if item.asked]
    finished = [item for item in asked if data.draw(st.booleans())]
    finish(reorder, *finished)
    unfinished = [item for item in asked if item not in finished]
    blocked = {
        item.number
        for item in items
        if any(other.stream == item.stream and other.number <= item.number for other in unfinished)
    }
    assert set(drained(reorder)) == {item.number for item in items} - blocked


@given(ITEMS)
def test_what_waits_for_requests_that_never_finish_is_dropped_at_the_end(items: list[Item]) -> None:
    reorder = Reorder(100)
    for item in items:
        add(reorder, item)
    reorder.close()
    left = len(reorder)
    assert len(drained(reorder)) == left
    assert len(reorder) == 0


def test_stored_streams_wait_while_too_much_is_open_live_ones_and_answers_never() -> None:
    reorder = Reorder(capacity=2)
    items = [Item(0, "a", asked=True), Item(1, "a", asked=False)]
    for item in items:
        add(reorder, item)
    assert not reorder.has_room(Expected(2, "b", work(2, "b")))
    assert not reorder.has_room(Passing("b", None, StreamEnd(Stream("b"))))
    assert reorder.has_room(Expected(2, "b", work(2, "b"), live=True))
    finished = Finished(((0, outcome("a")),))
    assert reorder.has_room(finished)
    reorder.add(finished, 0.0)
    assert drained(reorder) == [0, 1]
    assert reorder.has_room(Expected(2, "b", work(2, "b")))


@given(sizes=st.lists(st.integers(0, 60), max_size=20), answered=st.lists(st.booleans(), min_size=20, max_size=20))
def test_the_samples_that_answers_bring_are_bounded_however_late_they_are_taken(
    sizes: list[int], answered: list[bool]
) -> None:
    reorder = Reorder(100, most_bytes=100)
    held: dict[int, int] = {}
    for number, size in enumerate(sizes):
        expected = Expected(number, "a", work(number, "a"), bytes=size)
        fits = size == 0 or sum(held.values()) == 0 or sum(held.values()) + size <= 100
        assert reorder.has_room(expected) == fits
        assert reorder.has_room(Passing("a", None, StreamEnd(Stream("a"))))
        assert reorder.has_room(Expected(number, "b", work(number, "b"), live=True, bytes=size))
        if not fits:
            continue
        reorder.add(expected, 0.0)
        held[number] = size
        if answered[number]:
            finish(reorder, *(Item(waiting, "a", asked=True) for waiting in held))
            for taken in drained(reorder):
                del held[taken]

"""Results come out in the order of their streams, whoever finishes first."""

from __future__ import annotations

from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from pengi_stream.engine.reorder import Begun, Finished, Reorder

T = TypeVar("T")
Works = list[frozenset[str]]
WORKS = st.lists(st.frozensets(st.sampled_from("abcd"), min_size=1), max_size=12)


def drained(reorder: Reorder[T]) -> list[T]:
    results = []
    while (result := reorder.take(0.0)) is not None:
        results.append(result)
    return results


def begun(works: Works) -> Reorder[int]:
    reorder: Reorder[int] = Reorder(capacity=len(works))
    for ticket, streams in enumerate(works):
        reorder.add(Begun(ticket, streams), 0.0)
    return reorder


@given(WORKS, st.data())
def test_every_result_comes_once_and_in_the_order_of_each_of_its_streams(works: Works, data: st.DataObject) -> None:
    reorder, taken = begun(works), []
    for ticket in data.draw(st.permutations(range(len(works)))):
        reorder.add(Finished(ticket, ticket), 0.0)
        taken += drained(reorder)
    assert sorted(taken) == list(range(len(works)))
    for stream in "abcd":
        of_stream = [ticket for ticket in taken if stream in works[ticket]]
        assert of_stream == sorted(of_stream)


@given(WORKS, st.data())
def test_a_result_waits_for_nothing_but_earlier_work_on_its_streams(works: Works, data: st.DataObject) -> None:
    reorder = begun(works)
    finished = data.draw(st.sets(st.sampled_from(range(len(works)))) if works else st.just(set()))
    for ticket in finished:
        reorder.add(Finished(ticket, ticket), 0.0)
    taken = set(drained(reorder))
    for ticket in finished - taken:
        assert any(works[earlier] & works[ticket] for earlier in range(ticket) if earlier not in taken)
    for ticket in taken:
        assert all(earlier in taken for earlier in range(ticket) if works[earlier] & works[ticket])


@given(WORKS.filter(bool), st.data())
def test_after_work_that_failed_only_what_does_not_wait_for_it_is_left(works: Works, data: st.DataObject) -> None:
    reorder = begun(works)
    failed = data.draw(st.sampled_from(range(len(works))))
    for ticket in set(range(len(works))) - {failed}:
        reorder.add(Finished(ticket, ticket), 0.0)
    reorder.close()
    left = len(reorder)
    taken = drained(reorder)
    assert (len(taken), len(reorder)) == (left, 0)
    assert set(range(failed)) <= set(taken)
    assert not any(works[ticket] & works[failed] for ticket in taken if ticket > failed)


def test_new_work_waits_while_too_much_is_open_and_open_work_may_always_finish() -> None:
    reorder: Reorder[str] = Reorder(capacity=2)
    for ticket in (0, 1):
        assert reorder.has_room(Begun(ticket, frozenset("a")))
        reorder.add(Begun(ticket, frozenset("a")), 0.0)
    assert not reorder.has_room(Begun(2, frozenset("b")))
    assert reorder.has_room(Finished(1, "second"))
    reorder.add(Finished(1, "second"), 0.0)
    assert reorder.take(0.0) is None
    reorder.add(Finished(0, "first"), 0.0)
    assert drained(reorder) == ["first", "second"]
    assert reorder.has_room(Begun(2, frozenset("b")))

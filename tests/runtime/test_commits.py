"""A source hears how far it is done, in order, whichever thread brings it about."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from parts import LANE

from pengi_stream.engine.watermark import Work
from pengi_stream.positions import ReadPosition
from pengi_stream.runtime.commits import Commits
from pengi_stream.runtime.tracker import Tracker
from pengi_stream.testing import ScriptedSource
from pengi_stream.types import BadRecord, CommitPosition, Stream

STREAM = Stream("a")


def bad(offset: int | None, assignment: int = 0) -> BadRecord:
    return BadRecord(STREAM, "odd", position=None if offset is None else ReadPosition(LANE, offset, assignment))


class Committing:
    """Work of one source, opened and read; several required sinks."""

    def __init__(
        self,
        records: Sequence[BadRecord],
        sinks: int = 1,
        *,
        told: bool = True,
        source: ScriptedSource | None = None,
    ) -> None:
        self.source = source or ScriptedSource([])
        self.tracker = Tracker(1, sinks)
        self.commits = Commits(self.tracker, {0: self.source} if told else {})
        self.works: list[Work] = []
        for record in records:
            self.works.append(self.tracker.opened(0, record))
            self.tracker.advanced(0, record, None)

    @property
    def offsets(self) -> list[int]:
        return [position.offset for position in self.source.commits]


@given(order=st.permutations(range(6)))
def test_a_place_is_told_when_all_before_it_is_done_in_whatever_order(order: list[int]) -> None:
    committing = Committing([bad(offset) for offset in range(6)])
    done: set[int] = set()
    for number in order:
        committing.commits.done([committing.works[number]])
        done.add(number)
        safe = next(offset for offset in range(7) if offset not in done)
        assert max(committing.offsets, default=0) == safe
    assert committing.offsets == sorted(set(committing.offsets))


class Slow(ScriptedSource):
    """Lets other threads go first at every other place."""

    def commit(self, position: CommitPosition) -> None:
        if position.offset % 2:
            threading.Event().wait(0.001)
        super().commit(position)


@settings(max_examples=10)
@given(cuts=st.lists(st.integers(1, 39), max_size=10))
def test_places_are_told_in_their_order_by_the_threads_of_several_sinks(cuts: list[int]) -> None:
    committing = Committing([bad(offset) for offset in range(40)], sinks=4, source=Slow([]))
    edges = sorted({0, *cuts, 40})
    pieces = [committing.works[a:b] for a, b in pairwise(edges)]

    def sink(pieces: list[list[Work]]) -> None:
        for piece in pieces:
            committing.commits.done(piece)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(sink, [pieces, pieces[::-1], pieces, pieces[::-1]]))
    assert committing.offsets == sorted(set(committing.offsets))
    assert committing.offsets[-1] == 40


def test_what_has_nothing_to_give_is_done_for_all_sinks_at_once() -> None:
    committing = Committing([bad(0), bad(1)], sinks=2)
    committing.commits.finished(committing.works[0])
    assert committing.offsets == [1]
    committing.commits.done([committing.works[1]])
    assert committing.offsets == [1]
    committing.commits.done([committing.works[1]])
    assert committing.offsets == [1, 2]


def test_a_source_that_asks_itself_is_not_told() -> None:
    committing = Committing([bad(0)], told=False)
    committing.commits.done(committing.works)
    committing.commits.moved(0)
    assert committing.offsets == []
    assert [position.offset for position in committing.tracker.progress(0).positions()] == [1]


def test_a_source_without_places_is_told_nothing() -> None:
    committing = Committing([bad(None), bad(None)])
    committing.commits.done(committing.works)
    assert committing.offsets == []


def test_work_of_a_lane_that_another_worker_has_moves_no_place() -> None:
    committing = Committing([bad(3, assignment=1)])
    [work] = committing.works
    assert not committing.commits.is_stale(work)
    committing.tracker.progress(0).revoke(LANE, 1)
    assert committing.commits.is_stale(work)
    committing.commits.done([work])
    assert committing.offsets == []

"""What could not be processed is kept before anything else happens, or counted where it has no place."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from parts import Keeper, Running

from pengi_stream.clock import Deadline
from pengi_stream.errors import SinkError
from pengi_stream.runtime.dead_letters import DeadLetters
from pengi_stream.runtime.patience import SLOW_S
from pengi_stream.testing import FakeClock
from pengi_stream.types import BadRecord, Stream

BAD = [BadRecord(Stream("a"), "is no audio"), BadRecord(Stream("b"), "is no audio either")]


def letters(sink: Keeper | None, *, clock: FakeClock | None = None, in_transactions: bool = False) -> DeadLetters:
    return DeadLetters(
        sink,
        clock=clock or FakeClock(),
        give_up_after_s=60,
        stopping=threading.Event(),
        in_transactions=in_transactions,
    )


def test_records_without_a_place_are_counted_so_that_the_run_can_say_so() -> None:
    nowhere = letters(None)
    nowhere.reach()
    nowhere.keep(BAD)
    nowhere.keep(BAD[:1])
    nowhere.close()
    assert nowhere.unkept == 3


def test_records_are_durable_when_keep_returns() -> None:
    keeper = Keeper()
    kept = letters(keeper)
    kept.keep(BAD)
    assert keeper.records == BAD
    assert keeper.told == [("write", 2), "flush"]
    assert kept.unkept == 0


def test_nothing_to_keep_asks_nothing_of_the_place() -> None:
    keeper = Keeper()
    letters(keeper).keep([])
    assert keeper.told == []


def test_a_transaction_keeps_the_records_and_not_this_stage_as_well() -> None:
    keeper = Keeper()
    kept = letters(keeper, in_transactions=True)
    kept.reach()
    kept.keep(BAD)
    kept.close()
    assert keeper.records == []
    assert keeper.told == ["close"]  # whether they can be kept the sink asks, in its thread
    assert kept.unkept == 0


class Refusing(Keeper):
    """Refuses its first calls."""

    def __init__(self, *refusals: SinkError) -> None:
        super().__init__()
        self._refusals = list(refusals)

    def write(self, items: Sequence[BadRecord]) -> None:
        if self._refusals:
            raise self._refusals.pop(0)
        super().write(items)


def test_a_place_that_refuses_for_a_while_gets_each_record_once() -> None:
    keeper = Refusing(SinkError("disk is full", 0.001), SinkError("disk is full", 0.001))
    letters(keeper).keep(BAD)
    assert keeper.records == BAD


def test_a_place_that_refuses_for_good_ends_the_run_rather_than_lose_records() -> None:
    with pytest.raises(SinkError, match="no such folder"):
        letters(Refusing(SinkError("no such folder"))).keep(BAD)


def test_a_place_that_refuses_shows_until_it_takes_them() -> None:
    seen: list[str] = []

    class Looking(Refusing):
        """Looks at what is told of it when it is asked again."""

        def write(self, items: Sequence[BadRecord]) -> None:
            seen.append(kept.waits_for)
            super().write(items)

    kept = letters(Looking(SinkError("disk is full", 0.001)))
    kept.keep(BAD)
    assert seen == ["", "disk is full"]
    assert kept.waits_for == ""


def test_a_place_that_does_not_answer_shows_as_well() -> None:
    clock, asked, let_go = FakeClock(), threading.Event(), threading.Event()

    class Silent(Keeper):
        """Does not return from a flush until it is let go."""

        def flush(self, deadline: Deadline) -> None:
            asked.set()
            assert let_go.wait(30)

    kept = letters(Silent(), clock=clock)
    keeping = Running(lambda: kept.keep(BAD))
    assert asked.wait(30)
    assert kept.waits_for == ""
    clock.advance(SLOW_S + 2)
    assert kept.waits_for == "no answer for 12 s"
    let_go.set()
    assert keeping.result() is None
    assert kept.waits_for == ""

"""Lines of several files do not interleave, however the model takes turns."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, zip_longest

import pytest

from pengi_stream.cli import grouped
from pengi_stream.cli.grouped import Grouped
from pengi_stream.clock import rfc3339
from pengi_stream.testing import ListSink
from pengi_stream.types import NS_PER_S, Event

LENGTHS_S = {"a": 10.0, "b": 10.0, "c": 10.0}


def texts(name: str, seconds: int = 10, start_ns: int = 0) -> Iterator[Event]:
    for second in range(seconds):
        end = rfc3339(start_ns + (second + 1) * NS_PER_S)
        data = {"window_end": end, "first_sample": second * 8_000, "sample_rate": 8_000}
        yield Event(f"{name}{second}", "pengi_stream.text", "", name, start_ns + second * NS_PER_S, data)


def interleaved(*files: Iterator[Event]) -> list[Event]:
    return [event for event in chain(*zip_longest(*files)) if event]


def order(sink: ListSink) -> str:
    return "".join(event.stream_id for event in sink.events)


@pytest.mark.parametrize("start_ns", [0, 1_769_857_200_000_000_000])
def test_a_file_is_told_as_it_is_heard_and_the_next_when_it_is_over(start_ns: int) -> None:
    sink = ListSink()
    console = Grouped(sink, LENGTHS_S)
    mixed = interleaved(*(texts(name, start_ns=start_ns) for name in "abc"))
    console.write(mixed[:15])
    assert order(sink) == "aaaaa"
    console.write(mixed[15:])
    console.close()
    assert order(sink) == "a" * 10 + "b" * 10 + "c" * 10


def test_a_file_that_ends_in_silence_holds_the_others_up_no_longer_than_need_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sink = ListSink()
    console = Grouped(sink, LENGTHS_S)
    console.write([*texts("a", 5), *texts("b")])
    assert order(sink) == "a" * 5
    monkeypatch.setattr(grouped, "MOST_BETWEEN", 12)
    console.write(list(texts("c", 3)))
    assert order(sink) == "a" * 5 + "b" * 10 + "c" * 3
    console.close()
    assert order(sink) == "a" * 5 + "b" * 10 + "c" * 3


def test_a_file_that_came_after_all_were_looked_at_is_told_too() -> None:
    sink = ListSink()
    console = Grouped(sink, LENGTHS_S)
    console.write([*texts("late", 2), *texts("a", 1)])
    assert order(sink) == "latelatea"


def test_a_fault_is_the_end_of_its_file_and_is_told_elsewhere() -> None:
    sink = ListSink()
    console = Grouped(sink, LENGTHS_S)
    fault = Event("x", "pengi_stream.source", "", "a", 0, {"reason": "damaged"})
    console.write([*texts("a", 2), *texts("b", 1), fault])
    assert order(sink) == "aab"

"""What a sender that was killed sends again is heard once; what begins again is heard again."""

from __future__ import annotations

import numpy as np

from pengi_stream.engine.done import Repeats
from pengi_stream.outcomes import WindowItem
from pengi_stream.types import Gap, Stream, StreamEnd, TimeMap, Window

STREAM = Stream("a", "s")


def window(first_sample: int, stream: Stream = STREAM) -> Window:
    return Window(stream, 0, first_sample, np.zeros(4, np.float32), 4, 8_000, 0, 1, 0.0)


def heard(items: list[WindowItem]) -> list[WindowItem]:
    repeats = Repeats()
    return [item for item in items if not repeats.has(item)]


def test_windows_and_gaps_that_come_again_are_left_out() -> None:
    first, second, third = window(0), window(4), window(20)
    gap = Gap(STREAM, 8, 12, 8_000, TimeMap(0, 0, 8_000), "missing")
    assert heard([first, second, gap, second, gap, third, first]) == [first, second, gap, third]


def test_a_stream_that_ended_and_another_session_begin_anew() -> None:
    end, other = StreamEnd(STREAM), window(0, Stream("a", "later"))
    again = window(0)
    assert heard([window(4), other, end, again])[1:] == [other, end, again]

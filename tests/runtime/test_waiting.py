"""Long frames wait as short ones do, in as much memory."""

from __future__ import annotations

import numpy as np

from pengi_stream.runtime.waiting import Weighed, samples_bytes
from pengi_stream.types import Frame, Stream, StreamEnd, TimeMap


def frame(n: int, channels: int = 1) -> Frame:
    return Frame(Stream("a"), 0, np.zeros((n, channels), np.float32), 8000, TimeMap(0, 0, 8000))


def test_frames_wait_up_to_a_number_and_up_to_a_sum_of_bytes() -> None:
    many = Weighed[Frame | StreamEnd](3, samples_bytes, most_bytes=400)
    for _ in range(3):
        assert many.has_room(frame(1))
        many.add(frame(1), 0.0)
    assert not many.has_room(frame(1))
    long = Weighed[Frame | StreamEnd](3, samples_bytes, most_bytes=400)
    long.add(frame(40, channels=2), 0.0)
    assert not long.has_room(frame(21))
    assert long.has_room(frame(20))
    assert long.has_room(StreamEnd(Stream("a")))
    long.take(0.0)
    assert long.has_room(frame(100))


def test_a_frame_that_is_longer_than_all_room_passes_alone() -> None:
    waiting = Weighed[Frame | StreamEnd](3, samples_bytes, most_bytes=400)
    assert waiting.has_room(frame(1000))
    waiting.add(frame(1000), 0.0)
    assert not waiting.has_room(frame(1))
    assert waiting.take(0.0) is not None
    assert waiting.take(0.0) is None
    assert waiting.has_room(frame(1))

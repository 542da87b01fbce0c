"""The last frames of every stream, for whoever asks; nobody waits for them."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pengi_stream.runtime import tap as tap_module
from pengi_stream.runtime.tap import Tap, TapItem
from pengi_stream.types import Frame, Gap, Stream, StreamEnd, TimeMap

RATE = 100
TIME = TimeMap(0, 0, RATE)
SAMPLE_BYTES = 4


def frame(number: int = 0, stream: str = "door", samples: int = RATE, channels: int = 1) -> Frame:
    """`samples` of the value `number`."""
    heard = np.full((samples, channels), number, np.float32)
    return Frame(Stream(stream), number * samples, heard, RATE, TIME)


def gap(stream: str = "door") -> Gap:
    return Gap(Stream(stream), 0, RATE, RATE, TIME, "unplugged")


def numbers(items: object) -> list[int]:
    assert isinstance(items, list | tuple)
    return [int(item.samples[0, 0]) for item in items if isinstance(item, Frame)]


def test_frames_are_kept_as_they_came() -> None:
    tap = Tap()
    items: list[TapItem] = [frame(0, channels=2), gap(), frame(1, channels=2)]
    for item in items:
        tap.put(item)
    found = list(tap.last("door", 60))
    assert [id(item) for item in found] == [id(item) for item in items]


def test_the_last_seconds_are_whole_frames_oldest_first() -> None:
    tap = Tap()
    for number in range(10):
        tap.put(frame(number))
    assert numbers(tap.last("door", 3)) == [7, 8, 9]
    assert numbers(tap.last("door", 2.01)) == [7, 8, 9]
    assert numbers(tap.last("door", 0)) == []
    assert numbers(tap.last("door", 1_000)) == list(range(10))


def test_a_gap_among_the_last_seconds_is_among_them_and_takes_none_of_them() -> None:
    tap = Tap()
    for item in (frame(0), gap(), frame(1), StreamEnd(Stream("door"))):
        tap.put(item)
    assert [type(item) for item in tap.last("door", 1)] == [Frame, StreamEnd]
    assert [type(item) for item in tap.last("door", 1.5)] == [Frame, Gap, Frame, StreamEnd]


def test_a_stream_that_nobody_heard_has_no_last_seconds() -> None:
    assert list(Tap().last("door", 10)) == []


def test_the_stream_that_holds_most_loses_its_oldest() -> None:
    tap = Tap(most_bytes=10 * RATE * SAMPLE_BYTES)
    for number in range(2):
        tap.put(frame(number, "yard"))
    for number in range(20):
        tap.put(frame(number, "door"))
    assert numbers(tap.last("yard", 100)) == [0, 1]
    assert numbers(tap.last("door", 100)) == list(range(12, 20))


def test_a_frame_that_is_larger_than_all_that_may_be_kept_is_not_kept() -> None:
    tap = Tap(most_bytes=RATE * SAMPLE_BYTES)
    tap.put(frame(0))
    tap.put(frame(1, samples=2 * RATE))
    assert list(tap.last("door", 100)) == []
    tap.put(frame(2))
    assert numbers(tap.last("door", 100)) == [2]


PUTS = st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(1, 60), st.booleans()), max_size=60)


@given(PUTS, st.integers(0, 4_000))
def test_all_that_is_kept_is_bounded_and_the_newest_of_each_stream(
    puts: list[tuple[str, int, bool]], most_bytes: int
) -> None:
    tap, streams = Tap(most_bytes), dict[str, list[TapItem]]()
    for stream, samples, is_gap in puts:
        item = gap(stream) if is_gap else frame(0, stream, samples)
        streams.setdefault(stream, []).append(item)
        tap.put(item)
        kept = {name: list(tap.last(name, 10**6)) for name in streams}
        sizes = {name: [i.samples.nbytes if isinstance(i, Frame) else 0 for i in items] for name, items in kept.items()}
        assert sum(map(sum, sizes.values())) <= most_bytes
        for name, items in streams.items():
            newest = items[len(items) - len(kept[name]) :]
            assert [id(one) for one in kept[name]] == [id(one) for one in newest]


def test_gaps_take_room_too_so_that_streams_of_nothing_else_are_bounded() -> None:
    tap = Tap(most_bytes=1_000)
    for number in range(1_000):
        tap.put(StreamEnd(Stream(str(number))))
    assert sum(bool(tap.last(str(number), 10)) for number in range(1_000)) < 100


def test_a_reader_gets_what_comes_from_now_on_in_order() -> None:
    tap = Tap()
    tap.put(frame(0))
    reader = tap.reader()
    items: list[TapItem] = [frame(1), gap(), frame(2, "yard"), StreamEnd(Stream("door"))]
    for item in items:
        tap.put(item)
    assert [id(reader.get(1)) for _ in items] == [id(item) for item in items]
    assert reader.get(0) is None
    assert reader.lost == 0


def test_a_reader_of_some_streams_gets_no_others() -> None:
    tap = Tap()
    reader, none = tap.reader(["yard"]), tap.reader([])
    for number, stream in enumerate(["door", "yard", "door", "yard"]):
        tap.put(frame(number, stream))
    assert numbers([reader.get(1), reader.get(1)]) == [1, 3]
    assert reader.get(0) is None
    assert none.get(0) is None


def test_a_reader_that_lags_loses_the_oldest_and_counts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tap_module, "MOST_BEHIND_BYTES", 3 * RATE * SAMPLE_BYTES)
    tap = Tap()
    slow, fast = tap.reader(), tap.reader()
    seen = []
    for number in range(10):
        tap.put(frame(number))
        seen.append(fast.get(1))
    assert (numbers(seen), fast.lost) == (list(range(10)), 0)
    assert numbers([slow.get(1) for _ in range(3)]) == [7, 8, 9]
    assert (slow.get(0), slow.lost) == (None, 7)
    tap.put(frame(10))  # one that has caught up loses nothing more
    assert (numbers([slow.get(1)]), slow.lost) == ([10], 7)


def test_a_reader_gets_a_frame_that_alone_is_more_than_it_may_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tap_module, "MOST_BEHIND_BYTES", 10)
    tap = Tap()
    reader = tap.reader()
    tap.put(frame(1))
    tap.put(frame(2))
    assert (numbers([reader.get(1)]), reader.lost) == ([2], 1)


def test_a_reader_that_waits_is_woken_by_what_comes() -> None:
    tap = Tap()
    reader, found = tap.reader(), list[TapItem | None]()
    thread = threading.Thread(target=lambda: found.append(reader.get(30)))
    thread.start()
    tap.put(frame(5))
    thread.join(30)
    assert numbers(found) == [5]


def test_a_reader_that_waits_is_freed_by_close() -> None:
    reader, found = Tap().reader(), list[TapItem | None]()
    thread = threading.Thread(target=lambda: found.append(reader.get(30)))
    thread.start()
    reader.close()
    thread.join(30)
    assert not thread.is_alive()
    assert found == [None]


def test_a_closed_reader_costs_nothing_and_is_closed_any_number_of_times() -> None:
    tap = Tap()
    reader, other = tap.reader(), tap.reader()
    tap.put(frame(0))
    reader.close()
    reader.close()
    tap.put(frame(1))
    assert numbers([reader.get(0)]) == [0]  # what had come before
    assert reader.get(0) is None
    assert numbers([other.get(0), other.get(0)]) == [0, 1]


def test_any_number_of_threads_may_put_while_others_look() -> None:
    tap = Tap(most_bytes=5 * RATE * SAMPLE_BYTES)
    reader = tap.reader()

    def put(stream: str) -> None:
        for number in range(200):
            tap.put(frame(number, stream))
            tap.last(stream, 2)

    threads = [threading.Thread(target=put, args=(stream,)) for stream in "abcd"]
    for thread in threads:
        thread.start()
    seen: dict[str, list[int]] = {}
    for _ in range(4 * 200):
        item = reader.get(30)
        assert isinstance(item, Frame)
        seen.setdefault(item.stream.id, []).append(int(item.samples[0, 0]))
    for thread in threads:
        thread.join()
    assert seen == {stream: list(range(200)) for stream in "abcd"}
    assert sum(len(tap.last(stream, 100)) for stream in "abcd") <= 5

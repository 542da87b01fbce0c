"""The same samples give the same windows, whatever the pieces; nothing is glued, nothing is lost."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pengi_stream.engine.segment import Tail, WindowSpec
from pengi_stream.engine.windower import Windower
from pengi_stream.outcomes import WindowItem
from pengi_stream.positions import ReadPosition
from pengi_stream.types import (
    BadRecord,
    Frame,
    Gap,
    Samples,
    SourceItem,
    Stream,
    StreamEnd,
    TimeMap,
    Window,
)

RATE = 8_000
WINDOW, HOP = 100, 40
STREAM = Stream("a")


def ramp(n: int, start: int = 0) -> Samples:
    return (np.arange(start, start + n) / 1e4).astype(np.float32)


def frame(samples: Samples, first_sample: int = 0, *, rate: int = RATE, offset: int | None = None) -> Frame:
    position = None if offset is None else ReadPosition("p", offset)
    return Frame(STREAM, first_sample, samples[:, None], rate, TimeMap(0, 0, rate), position)


def pieces(samples: Samples, cuts: Sequence[int], rate: int = RATE) -> list[Frame]:
    edges = [0, *sorted(cut % (len(samples) + 1) for cut in cuts), len(samples)]
    return [frame(samples[a:b], a, rate=rate) for a, b in pairwise(edges)]


def cut(items: Sequence[SourceItem], tail: Tail = "drop", hop: int = HOP) -> list[WindowItem]:
    windower = Windower(WindowSpec(RATE, WINDOW, hop, tail))
    return [out for item in items for out in windower.push(item, 0.0)]


def windows(items: Sequence[SourceItem], tail: Tail = "drop", hop: int = HOP) -> list[Window]:
    return [out for out in cut(items, tail, hop) if isinstance(out, Window)]


@given(n=st.integers(0, 700), hop=st.integers(1, 250), tail=st.sampled_from(["pad", "repeat", "drop"]))
def test_windows_start_at_each_multiple_of_the_hop_and_cover_all_that_the_hop_reaches(
    n: int, hop: int, tail: Tail
) -> None:
    samples = ramp(n)
    found = windows([frame(samples), StreamEnd(STREAM)], tail, hop)
    assert [w.first_sample for w in found] == [k * hop for k in range(len(found))]
    for window in found:
        real = samples[window.first_sample : window.first_sample + WINDOW]
        assert np.array_equal(window.samples[: window.valid_samples], real)
        assert window.valid_samples == len(real)
        assert window.samples.shape == (WINDOW,)
    covered = {i for w in found for i in range(w.first_sample, w.first_sample + w.valid_samples)}
    reachable = {i for i in range(n) if i % hop < WINDOW or i < WINDOW}
    if tail == "drop":
        assert all(w.valid_samples == WINDOW for w in found)
        assert len(found) == (0 if n < WINDOW else (n - WINDOW) // hop + 1)
    else:
        assert covered == reachable


@given(cuts=st.lists(st.integers(0, 10**6), max_size=30), rate=st.sampled_from([8_000, 11_025, 44_100]))
def test_the_pieces_in_which_audio_arrives_change_nothing(cuts: list[int], rate: int) -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, 3 * rate // 10).astype(np.float32)
    whole = windows([*pieces(samples, [], rate), StreamEnd(STREAM)], "repeat")
    cut_up = windows([*pieces(samples, cuts, rate), StreamEnd(STREAM)], "repeat")
    assert len(whole) == len(cut_up) > 0
    for one, other in zip(whole, cut_up, strict=True):
        assert np.array_equal(one.samples, other.samples)
        assert (one.first_sample, one.start_ns, one.end_ns, one.valid_samples) == (
            other.first_sample,
            other.start_ns,
            other.end_ns,
            other.valid_samples,
        )


def test_times_follow_from_the_sample_index_exactly() -> None:
    found = windows([frame(ramp(300)), StreamEnd(STREAM)], "pad")
    for window in found:
        assert window.start_ns == window.first_sample * 1_000_000_000 // RATE
        assert window.end_ns == (window.first_sample + window.valid_samples) * 1_000_000_000 // RATE


def test_channels_are_averaged_and_not_put_one_behind_the_other() -> None:
    stereo = np.stack([ramp(100), -ramp(100)], axis=1)
    [window] = windows([Frame(STREAM, 0, stereo, RATE, TimeMap(0, 0, RATE))])
    assert not window.samples.any()


def test_a_short_tail_is_repeated_or_padded_as_told() -> None:
    short = [frame(ramp(30, start=1)), StreamEnd(STREAM)]
    [repeated] = windows(short, "repeat")
    assert np.array_equal(repeated.samples, np.tile(ramp(30, start=1), 4)[:WINDOW])
    [padded] = windows(short, "pad")
    assert np.array_equal(padded.samples[:30], ramp(30, start=1))
    assert not padded.samples[30:].any()
    assert windows(short, "drop") == []


def test_a_hole_is_a_gap_and_the_grid_begins_anew_behind_it() -> None:
    out = cut([frame(ramp(150)), frame(ramp(150, 1000), 1000), StreamEnd(STREAM)])
    assert [(type(o).__name__, getattr(o, "first_sample", None)) for o in out] == [
        ("Window", 0),
        ("Window", 40),
        ("Unheard", 140),
        ("Gap", 150),
        ("Window", 1000),
        ("Window", 1040),
        ("Unheard", 1140),
        ("StreamEnd", None),
    ]
    gap = out[3]
    assert isinstance(gap, Gap)
    assert (gap.missing_samples, gap.reason) == (850, "missing")
    for window in out:
        if isinstance(window, Window):
            assert np.allclose(np.diff(window.samples), 1e-4, atol=1e-6)


def test_integers_under_the_name_of_floats_are_refused_and_leave_a_gap() -> None:
    """A float WAV or a float pipe of whole numbers would be noise to the model."""
    loud = ramp(50, 100) * 32_767
    out = cut([frame(ramp(100)), frame(loud, 100), frame(ramp(100, 150), 150), StreamEnd(STREAM)])
    assert [type(o).__name__ for o in out] == ["Window", "BadRecord", "Gap", "Window", "StreamEnd"]
    assert isinstance(out[1], BadRecord)
    assert "expected floats from -1 to 1" in out[1].reason


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 150)), max_size=12))
def test_no_window_is_ever_glued_across_a_hole_whatever_arrives(arrivals: list[tuple[int, int]]) -> None:
    out = cut([*(frame(ramp(n, start), start) for start, n in arrivals), StreamEnd(STREAM)])
    for window in out:
        if isinstance(window, Window):
            assert np.array_equal(window.samples, ramp(WINDOW, window.first_sample))
    firsts = [o.first_sample for o in out if isinstance(o, Window)]
    assert firsts == sorted(set(firsts))


def test_audio_that_arrives_again_is_taken_once() -> None:
    windower = Windower(WindowSpec(RATE, WINDOW, HOP, "drop"))
    items = [frame(ramp(150)), frame(ramp(150)), frame(ramp(100, 100), 100)]
    found = [out for item in items for out in windower.push(item, 0.0)]
    assert [w.first_sample for w in found if isinstance(w, Window)] == [0, 40, 80]
    assert windower.late_frames == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_frame_that_is_not_finite_is_reported_and_leaves_a_gap(bad: float) -> None:
    poison = ramp(50, 100)
    poison[7] = bad
    out = cut([frame(ramp(100)), frame(poison, 100), frame(ramp(100, 150), 150), StreamEnd(STREAM)])
    assert [type(o).__name__ for o in out] == ["Window", "BadRecord", "Gap", "Window", "StreamEnd"]
    gap = out[2]
    assert isinstance(gap, Gap)
    assert (gap.first_sample, gap.missing_samples) == (100, 50)
    assert all(np.isfinite(o.samples).all() for o in out if isinstance(o, Window))


def test_streams_do_not_mix() -> None:
    other = Stream("b")
    windower = Windower(WindowSpec(RATE, WINDOW, HOP, "drop"))
    found = []
    for start in range(0, 200, 50):
        found += list(windower.push(frame(ramp(50, start), start), 0.0))
        ones = np.ones((50, 1), np.float32)
        found += list(windower.push(Frame(other, start, ones, RATE, TimeMap(0, 0, RATE)), 0.0))
    by_stream = {name: [w for w in found if w.stream.id == name] for name in ("a", "b")}
    assert all(w.samples.min() == 1 for w in by_stream["b"])
    assert [w.first_sample for w in by_stream["a"]] == [w.first_sample for w in by_stream["b"]] == [0, 40, 80]


def test_a_replay_begins_at_the_frame_in_which_the_next_window_begins() -> None:
    windower = Windower(WindowSpec(RATE, WINDOW, HOP, "drop"))
    for number in range(10):
        for window in windower.push(frame(ramp(30, 30 * number), 30 * number, offset=number), 0.0):
            assert isinstance(window, Window)
            assert window.position == ReadPosition("p", window.first_sample // 30)
        replay_from = windower.replay_from(StreamEnd(STREAM, ReadPosition("p", 0)))
        assert replay_from is not None
        ready = max(0, (30 * (number + 1) - WINDOW) // HOP + 1)
        assert replay_from.offset == min(number, ready * HOP // 30)
    end = StreamEnd(STREAM, ReadPosition("p", 10))
    list(windower.push(end, 0.0))
    assert windower.replay_from(end) is None


def test_a_long_stream_needs_no_more_memory_than_a_short_one() -> None:
    windower = Windower(WindowSpec(RATE, WINDOW, HOP, "drop"))
    needed = []
    tracemalloc.start()
    try:
        for start in range(0, 200_000, 50):
            list(windower.push(frame(ramp(50, start), start, offset=start // 50), 0.0))
            if start in {20_000, 199_950}:
                needed.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert needed[1] - needed[0] < 20_000  # bytes; the samples in between are 720,000

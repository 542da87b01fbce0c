"""A replay from where a window was held gives the windows of the undisturbed run, and none twice."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pengi_stream.engine.segment import Tail, WindowSpec
from pengi_stream.engine.windower import Windower
from pengi_stream.outcomes import Unheard, WindowItem
from pengi_stream.positions import ReadPosition
from pengi_stream.types import (
    Frame,
    Gap,
    Resumed,
    Revoked,
    SourceItem,
    Stream,
    StreamEnd,
    StreamState,
    TimeMap,
    Window,
)

MODEL_RATE = 16_000
WINDOW, HOP = 1600, 700
STREAM = Stream("a", "s")
NOISE = np.random.default_rng(2).normal(0, 0.2, 40_000).astype(np.float32)


def records(rate: int, start: int, cuts: list[int], n: int, first_offset: int = 0) -> list[Frame]:
    """`n` samples of one segment that begins at sample `start`, in pieces."""
    edges = [0, *sorted({cut % n for cut in cuts} - {0}), n]
    time = TimeMap(0, 10**18, rate)
    return [
        Frame(
            STREAM, start + a, NOISE[a:b, None], rate, time, ReadPosition("p", first_offset + i), segment_sample=start
        )
        for i, (a, b) in enumerate(pairwise(edges))
    ]


def run(windower: Windower, items: list[SourceItem]) -> list[WindowItem]:
    return [out for item in items for out in windower.push(item, 0.0)]


def windows(items: list[WindowItem]) -> list[Window]:
    return [item for item in items if isinstance(item, Window)]


def assert_same(found: list[Window], expected: list[Window]) -> None:
    assert [w.first_sample for w in found] == [w.first_sample for w in expected]
    for one, other in zip(found, expected, strict=True):
        assert np.abs(one.samples - other.samples).max() < 1e-6
        assert (one.start_ns, one.end_ns, one.valid_samples) == (other.start_ns, other.end_ns, other.valid_samples)
        assert (one.segment_sample, one.stream) == (other.segment_sample, other.stream)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 22_051])
@given(
    cuts=st.lists(st.integers(0, 10**6), max_size=40),
    stop=st.integers(0, 40),
    n=st.integers(2_000, 40_000),
    start=st.sampled_from([0, 1, 12_345]),
    tail=st.sampled_from(["pad", "repeat", "drop"]),
)
@example(cuts=list(range(0, 40_000, 100)), stop=20, n=40_000, start=1, tail="repeat")
def test_a_run_that_is_cut_anywhere_and_resumed_gives_the_windows_of_an_undisturbed_one(
    rate: int, cuts: list[int], stop: int, n: int, start: int, tail: Tail
) -> None:
    spec = WindowSpec(MODEL_RATE, WINDOW, HOP, tail)
    frames = records(rate, start, cuts, n)
    end = StreamEnd(STREAM, ReadPosition("p", len(frames)))
    expected = windows(run(Windower(spec), [*frames, end]))

    stop = min(stop, len(frames))
    first = Windower(spec)
    before = windows(run(first, [*frames[:stop]]))
    replay_from = first.replay_from(frames[0])
    replay_from = 0 if replay_from is None else replay_from.offset
    state = StreamState(STREAM, before[-1].first_sample + 1 if before else 0, 0)

    second = Windower(spec)
    list(second.push(Resumed(STREAM, state, ReadPosition("p", replay_from)), 0.0))
    after = windows(run(second, [*frames[replay_from:], end]))
    assert_same(before + after, expected)


def test_what_was_done_in_earlier_segments_and_lives_of_a_stream_is_not_given_again() -> None:
    spec = WindowSpec(MODEL_RATE, WINDOW, HOP, "repeat")
    again = Stream("a", "later")
    first = records(MODEL_RATE, 0, [2_000], 4_000)
    gap = Gap(STREAM, 4_000, 1_000, MODEL_RATE, TimeMap(0, 0, MODEL_RATE), "missing", ReadPosition("p", 2, more=True))
    second = records(MODEL_RATE, 5_000, [2_000], 4_000, 2)
    end = StreamEnd(STREAM, ReadPosition("p", 4))
    life = Frame(again, 0, NOISE[:4_000, None], MODEL_RATE, TimeMap(0, 0, MODEL_RATE), ReadPosition("p", 5), 0)
    items: list[SourceItem] = [*first, gap, *second, end, life]
    everything = run(Windower(spec), items)
    for done in range(len(everything)):
        pending = everything[done:]
        states = [
            StreamState(
                stream,
                min(
                    [w.first_sample for w in windows(pending) if w.stream == stream],
                    default=max([w.first_sample + 1 for w in windows(everything) if w.stream == stream]),
                ),
                min(
                    [
                        w.position.offset
                        for w in pending
                        if not isinstance(w, Window | Unheard) and w.stream == stream and w.position
                    ],
                    default=10,
                ),
            )
            for stream in (STREAM, again)
        ]
        windower = Windower(spec)
        resumed: list[SourceItem] = [Resumed(s.stream, s, ReadPosition("p", 0)) for s in states]
        found = run(windower, resumed + items)
        assert [_facts(out) for out in found] == [_facts(out) for out in pending]


def _facts(out: WindowItem) -> tuple[str, str, int]:
    return type(out).__name__, out.stream.session, out.first_sample if isinstance(out, Window | Gap | Unheard) else -1


def test_a_revoked_stream_is_forgotten_without_its_tail() -> None:
    windower = Windower(WindowSpec(MODEL_RATE, WINDOW, HOP, "repeat"))
    [frame] = records(MODEL_RATE, 0, [], 1_000)
    assert run(windower, [frame, Revoked(STREAM, ReadPosition("p", 0))]) == []
    assert windower.replay_from(frame) is None


def test_the_same_key_in_two_partitions_is_not_mixed() -> None:
    windower = Windower(WindowSpec(MODEL_RATE, WINDOW, HOP, "drop"))
    here = records(MODEL_RATE, 0, [1_000], 3_000)
    there = [
        Frame(STREAM, f.first_sample, -f.samples, f.sample_rate, f.time, ReadPosition("q", 0), f.segment_sample)
        for f in here
    ]
    found = windows(run(windower, [here[0], there[0], here[1], there[1]]))
    by_partition = {p: [w for w in found if w.position and w.position.lane == p] for p in "pq"}
    for one, other in zip(by_partition["p"], by_partition["q"], strict=True):
        assert np.array_equal(one.samples, -other.samples)
    assert len(found) == 6

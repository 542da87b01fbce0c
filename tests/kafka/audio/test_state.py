"""The state of a partition is kept as few characters, and comes back as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pengi_stream.clock import rfc3339
from pengi_stream.kafka.audio.count import Count
from pengi_stream.kafka.audio.partition import Counts, RecordClock
from pengi_stream.kafka.audio.state import PartitionState, StateError, decode_state, encode_state
from pengi_stream.types import Stream, StreamState, TimeMap

NS = 1_790_000_000_000_000_000
streams = st.builds(
    Stream, st.text(st.characters(codec="utf-8"), max_size=20), st.just("") | st.integers(0, 2 * NS).map(rfc3339)
)
samples = st.integers(0, 2**50)
times = st.builds(TimeMap, samples, st.integers(-NS, 2 * NS), st.just(44_100))
counts = st.builds(
    Count, streams, samples, samples, st.just(44_100), times, st.integers(0, NS), st.integers(-1, 2**50), st.booleans()
)


@given(
    time_ms=st.integers(-1, NS),
    newer_ms=st.integers(0, 10**7),
    counted=st.lists(counts, max_size=5, unique_by=lambda count: count.stream),
    done=st.lists(
        st.builds(StreamState, streams, samples, st.integers(101, 2**40)), max_size=5, unique_by=lambda d: d.stream
    ),
)
def test_what_is_kept_comes_back(time_ms: int, newer_ms: int, counted: list[Count], done: list[StreamState]) -> None:
    state = PartitionState(Counts(RecordClock(time_ms, time_ms + newer_ms), tuple(counted)), tuple(done))
    found = decode_state(encode_state(state, 100), 100)
    assert found.counts == state.counts
    assert sorted(found.done, key=repr) == sorted(state.done, key=repr)


def test_what_says_nothing_that_the_offset_does_not_is_left_out() -> None:
    state = PartitionState(Counts(RecordClock(5, 6)), (StreamState(Stream("a"), 0, 100),))
    assert decode_state(encode_state(state, 100), 100).done == ()


def test_the_metadata_of_an_offset_holds_sixty_streams() -> None:
    counted = [
        Count(
            Stream(f"device-{n:04}", rfc3339(NS + n * 12_345_678_901)),
            44_100 * 3600 * (n + 1),
            44_100 * 600 * n,
            44_100,
            TimeMap(44_100 * 600 * n, NS + n * 600_123_456_789, 44_100),
            NS // 10**6 - 370 * n,
        )
        for n in range(60)
    ]
    done = [StreamState(count.stream, count.sample // 3, 0) for count in counted]
    text = encode_state(
        PartitionState(Counts(RecordClock(NS // 10**6, NS // 10**6), tuple(counted)), tuple(done)), 10**9
    )
    assert len(text) <= 4096
    assert text.isascii()
    assert text.isprintable()


@pytest.mark.parametrize(
    "text", ["", "somebody else's", "pengi-stream/1:", "pengi-stream/1:!!!", "pengi-stream/2:c-mt"]
)
def test_metadata_of_others_is_told_apart(text: str) -> None:
    with pytest.raises(StateError):
        decode_state(text, 0)


def test_damaged_state_is_refused() -> None:
    whole = encode_state(PartitionState(Counts(RecordClock(NS, NS)), ()), 0)
    with pytest.raises(StateError):
        decode_state(whole[:-3], 0)

"""The state of a partition's streams takes few bytes, and comes back as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pengi_stream.clock import rfc3339
from pengi_stream.kafka.audio.count import Count
from pengi_stream.kafka.audio.partition import Counts, RecordClock
from pengi_stream.kafka.audio.state import PartitionState, StateWriter, read_state
from pengi_stream.kafka.reading.kept import MOST_BYTES, Kept, StateError, read_text, whole_text
from pengi_stream.types import Stream, StreamState, TimeMap

NS = 1_790_000_000_000_000_000
streams = st.builds(
    Stream,
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.sampled_from(["", "now"]) | st.integers(0, 2 * NS).map(rfc3339),
)
samples = st.integers(0, 2**50)
times = st.builds(TimeMap, samples, st.integers(-NS, 2 * NS), st.just(44_100))
counts = st.builds(
    Count,
    streams,
    samples,
    samples,
    st.just(44_100),
    times,
    st.integers(0, NS),
    st.integers(0, NS),
    st.integers(-1, 2**50),
    st.booleans(),
    st.integers(-NS, NS),
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=6,
)
behind = st.dictionaries(st.text(min_size=1), plain, max_size=3).map(lambda found: tuple(sorted(found.items())))
dones = st.builds(StreamState, streams, samples, st.integers(101, 2**40), behind)


@given(
    time_ms=st.integers(-1, NS),
    newer_ms=st.integers(0, 10**7),
    counted=st.lists(counts, max_size=5, unique_by=lambda count: count.stream),
    done=st.lists(
        st.builds(StreamState, streams, samples, st.integers(101, 2**40), behind),
        max_size=5,
        unique_by=lambda d: d.stream,
    ),
)
def test_what_is_kept_comes_back(time_ms: int, newer_ms: int, counted: list[Count], done: list[StreamState]) -> None:
    state = PartitionState(Counts(RecordClock(time_ms, time_ms + newer_ms), tuple(counted)), tuple(done))
    kept = read_text(whole_text(StateWriter().kept(state, 100)))
    assert isinstance(kept, Kept)
    found = read_state(kept)
    assert found.counts.clock == state.counts.clock
    assert sorted(found.counts.streams, key=repr) == sorted(counted, key=repr)
    assert sorted(found.done, key=repr) == sorted(done, key=repr)


def test_what_says_nothing_that_the_offset_does_not_is_left_out() -> None:
    state = PartitionState(Counts(RecordClock(5, 6)), (StreamState(Stream("a"), 0, 100),))
    assert StateWriter().kept(state, 100).streams == {}


def test_what_is_known_behind_the_model_is_kept_though_nothing_else_is() -> None:
    known = StreamState(Stream("a"), 0, 0, (("changes", ("a dog", 3)),))
    assert read_state(StateWriter().kept(PartitionState(Counts(RecordClock(5, 6)), (known,)), 100)).done == (known,)


def many(n: int, moved: int = 0) -> PartitionState:
    """`n` streams; the first `moved` of them were heard since."""
    counted, done = [], []
    for number in range(n):
        sample = 44_100 * 3600 * (number + 1) + (44_100 if number < moved else 0)
        stream = Stream(f"device-{number:04}", rfc3339(NS + number * 12_345_678_901))
        time = TimeMap(44_100 * 600 * number, NS + number * 600_123_456_789, 44_100)
        heard_ms = NS // 10**6 - 370 * number
        counted.append(Count(stream, sample, 44_100 * 600 * number, 44_100, time, heard_ms, heard_ms + 80))
        done.append(StreamState(stream, sample // 3, 0))
    return PartitionState(Counts(RecordClock(NS // 10**6, NS // 10**6), tuple(counted)), tuple(done))


def test_the_metadata_of_an_offset_holds_sixty_streams() -> None:
    text = whole_text(StateWriter().kept(many(60), 10**9))
    assert len(text) <= MOST_BYTES
    assert text.isascii()
    assert text.isprintable()


def test_a_stream_that_did_not_change_is_kept_in_the_same_bytes_whatever_the_offset() -> None:
    writer = StateWriter()
    before, after = writer.kept(many(100), 10**6).streams, writer.kept(many(100, moved=3), 10**9).streams
    assert len([key for key in before if before[key] != after[key]]) == 3


@pytest.mark.parametrize("text", ["somebody else's", "pengi-stream/2:", "pengi-stream/2:!!!", "pengi-stream/1:c-mt"])
def test_metadata_of_others_is_told_apart(text: str) -> None:
    with pytest.raises(StateError):
        read_text(text)


def test_no_metadata_is_nothing_kept() -> None:
    assert read_state(Kept()) == PartitionState(Counts())
    assert read_text("") == Kept()


def test_damaged_state_is_refused() -> None:
    whole = StateWriter().kept(many(3), 0)
    with pytest.raises(StateError):
        read_text(whole_text(whole)[:-3])
    with pytest.raises(StateError):
        read_state(Kept(b"\xc1", whole.streams))
    with pytest.raises(StateError):
        read_state(Kept(whole.head, {b"\x01": b"\x02"}))

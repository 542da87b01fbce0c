"""Records become streams: counted, with gaps, ends and bad records where they belong."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pengi_stream.audio.pcm import AudioFormat
from pengi_stream.clock import rfc3339
from pengi_stream.engine.segment import WindowSpec
from pengi_stream.engine.windower import Windower
from pengi_stream.kafka.audio.partition import Counts, PartitionStreams, StreamRules
from pengi_stream.kafka.lane import Lane
from pengi_stream.kafka.reading.inbox import RawRecord
from pengi_stream.types import BadRecord, Frame, Gap, SourceItem, StreamEnd, Window

RATE = 8_000
AUDIO = AudioFormat(encoding="s16le", sample_rate=RATE)
RULES = StreamRules(AUDIO, gap_tolerance_s=0.5, idle_s=10, max_streams=2, max_record_s=60)
START_MS = 1_790_000_000_000
SAMPLES = np.random.default_rng(4).integers(-9000, 9000, 6 * RATE).astype("<i2")


def partition(rules: StreamRules = RULES) -> PartitionStreams:
    return PartitionStreams(Lane("audio", 3, 7), rules, Counts())


def record(
    offset: int,
    first: int,
    n: int,
    *,
    key: bytes | None = b"a",
    late_s: float = 0,
    headers: dict[str, str] | None = None,
) -> RawRecord:
    """Samples `first` to `first + n`, stamped when the first was heard, or later."""
    named = tuple((name, value.encode()) for name, value in (headers or {}).items())
    value = np.resize(np.roll(SAMPLES, -first), n).tobytes()
    return RawRecord(offset, START_MS + round(1000 * (first / RATE + late_s)), key, value, named)


def take(streams: PartitionStreams, *records: RawRecord) -> list[SourceItem]:
    return [item for found in records for item in streams.take(found)]


def only(items: list[SourceItem], kind: type) -> list[SourceItem]:
    return [item for item in items if type(item) is kind]


@given(
    cuts=st.lists(st.integers(1, len(SAMPLES) - 1), max_size=30), jitter=st.lists(st.integers(-200, 200), min_size=32)
)
def test_records_of_any_size_give_the_same_windows_whatever_the_jitter_of_their_times(
    cuts: list[int], jitter: list[int]
) -> None:
    def windows(edges: list[int]) -> list[Window]:
        streams, windower = partition(), Windower(WindowSpec(16_000, 16_000, 5_000, "repeat"))
        found = []
        for offset, (a, b) in enumerate(pairwise(edges)):
            late_s = 0 if a == 0 else jitter[offset] / 1000
            found += [
                out for item in take(streams, record(offset, a, b - a, late_s=late_s)) for out in windower.push(item, 0)
            ]
        end = take(streams, RawRecord(99, START_MS, b"a", None))
        found += [out for item in end for out in windower.push(item, 0)]
        return [out for out in found if isinstance(out, Window)]

    whole, cut_up = windows([0, len(SAMPLES)]), windows([0, *sorted(set(cuts)), len(SAMPLES)])
    assert len(whole) == len(cut_up) == 17
    for one, other in zip(whole, cut_up, strict=True):
        assert np.array_equal(one.samples, other.samples)
        assert (one.first_sample, one.start_ns, one.end_ns) == (other.first_sample, other.start_ns, other.end_ns)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ({"captured-at": "2199-12-31T23:59:59.95Z"}, {}),
        ({}, {"captured-at": "2199-12-31T23:59:59.95Z"}),
        ({"first-sample": "0"}, {"first-sample": str(10**17)}),
    ],
)
def test_audio_that_would_end_centuries_ahead_is_bad_however_often_it_is_said(
    first: dict[str, str], last: dict[str, str]
) -> None:
    streams = partition()
    items = take(streams, record(0, 0, 800, headers=first), record(1, 800, 800, headers=last))
    items += take(streams, record(2, 1600, 800, headers={key: str(10**17 + 800) for key in last if "first" in key}))
    assert "before the year 2200" in " ".join(item.reason for item in items if isinstance(item, BadRecord))
    assert all(item.time.at(item.end_sample) < 2**63 for item in items if isinstance(item, Frame | Gap))


def test_a_record_stamped_beyond_all_calendars_is_bad() -> None:
    [bad] = take(partition(), replace(record(0, 0, 800), timestamp_ms=10**18))
    assert isinstance(bad, BadRecord)
    assert "before the year 2200" in bad.reason
    assert rfc3339(bad.time_ns) == "9999-12-31T23:59:59.000Z"


def test_a_stream_is_named_by_its_key_and_its_session_by_its_first_time() -> None:
    [frame] = take(partition(), record(5, 0, 800))
    assert isinstance(frame, Frame)
    assert (frame.stream.id, frame.stream.session) == ("a", rfc3339(START_MS * 10**6))
    assert frame.position is not None
    assert frame.position == Lane("audio", 3, 7).position(5)
    assert frame.position.origin == {"topic": "audio", "partition": 3, "offset": 5}
    assert frame.time.at(0) == START_MS * 10**6
    [no_key, no_text] = take(partition(), record(6, 0, 800, key=None), record(7, 0, 800, key=b"\xff1"))
    assert (no_key.stream.id, no_text.stream.id) == ("audio/3", "\\xff1")


def test_a_first_sample_that_jumps_is_a_gap_of_exactly_that_length() -> None:
    headers = {"first-sample": "1234"}
    items = take(partition(), record(0, 0, 800), record(1, 800, 800, headers=headers))
    [gap] = only(items, Gap)
    assert isinstance(gap, Gap)
    assert (gap.first_sample, gap.missing_samples, gap.reason) == (800, 434, "missing")
    assert [item.first_sample for item in items if isinstance(item, Frame)] == [0, 1234]


def test_a_time_beyond_the_tolerance_is_a_gap_and_one_within_is_none() -> None:
    within = take(partition(), record(0, 0, 800), record(1, 800, 800, late_s=0.49))
    assert only(within, Gap) == []
    beyond = take(partition(), record(0, 0, 800), record(1, 800, 800, late_s=0.6))
    [gap] = only(beyond, Gap)
    assert isinstance(gap, Gap)
    assert (gap.first_sample, gap.missing_samples) == (800, 4800)
    frame = beyond[-1]
    assert isinstance(frame, Frame)
    assert frame.time.at(frame.first_sample) == START_MS * 10**6 + 700_000_000


def test_a_recording_that_is_uploaded_faster_than_it_sounds_is_no_trouble() -> None:
    hasty = [RawRecord(n, START_MS + n, b"a", SAMPLES[:8000].tobytes()) for n in range(100)]
    items = take(partition(), *hasty)
    assert [item.first_sample for item in items if isinstance(item, Frame)] == [8000 * n for n in range(100)]
    last = items[-1]
    assert isinstance(last, Frame)
    assert abs(last.time.at(last.first_sample) - START_MS * 10**6 - 99 * 10**9) < 40_000_000


def test_a_clock_that_drifts_moves_the_times_smoothly_and_makes_no_gap() -> None:
    streams = partition(StreamRules(AUDIO, gap_tolerance_s=0.5))
    drift = 100e-6
    previous_ns = 0
    for n in range(20_000):
        stamp = START_MS + round(1000 * n * (1 + drift))
        [frame] = streams.take(RawRecord(n, stamp, b"a", SAMPLES[:8000].tobytes()))
        assert isinstance(frame, Frame)
        at_ns = frame.time.at(frame.first_sample)
        assert 0 < at_ns - previous_ns < 1_001_000_000 or n == 0
        assert abs(at_ns - stamp * 10**6) < 300_000_000
        previous_ns = at_ns


@pytest.mark.parametrize("header", ["first-sample", "captured-at"])
def test_what_was_heard_before_is_known_by_its_headers_and_taken_once(header: str) -> None:
    def told(offset: int, first: int, n: int) -> RawRecord:
        time = rfc3339(START_MS * 10**6 + first * 10**9 // RATE)
        return record(offset, first, n, headers={header: time if header == "captured-at" else str(first)})

    items = take(partition(), told(0, 0, 8000), told(1, 8000, 8000), told(2, 8000, 8000), told(3, 12_000, 8000))
    assert [(type(i), len(i.samples), i.first_sample) for i in items if isinstance(i, Frame)] == [
        (Frame, 8000, 0),
        (Frame, 8000, 8000),
        (Frame, 0, 16_000),
        (Frame, 4000, 16_000),
    ]
    assert only(items, Gap) == []


def test_a_null_value_ends_the_stream_and_its_key_may_begin_another() -> None:
    streams = partition()
    items = take(streams, record(0, 0, 800), RawRecord(1, START_MS + 100, b"a", None), record(2, 0, 800, late_s=5))
    assert [type(item) for item in items] == [Frame, StreamEnd, Frame]
    assert items[0].stream == items[1].stream != items[2].stream
    assert isinstance(items[2], Frame)
    assert items[2].first_sample == 0


def test_a_stream_ends_when_its_partition_goes_on_without_it() -> None:
    streams = partition()
    early = take(streams, record(0, 0, 800), record(1, 0, 800, key=b"b"), record(2, 9 * RATE, 800, key=b"b"))
    assert only(early, StreamEnd) == []
    take(streams, record(3, 11 * RATE, 800, key=b"b"))
    [end, gap, _] = take(streams, record(4, 13 * RATE, 800, key=b"b"))
    assert isinstance(end, StreamEnd)
    assert (end.stream.id, gap.stream.id) == ("a", "b")
    assert end.position is not None
    assert end.position.more
    assert [stream.id for stream in streams.streams] == ["b"]


def test_a_stream_that_is_heard_again_too_late_is_another_one() -> None:
    items = take(partition(), record(0, 0, 800), record(1, 11 * RATE, 800))
    assert [type(item) for item in items] == [Frame, StreamEnd, Frame]
    assert items[0].stream != items[2].stream


def test_a_producer_whose_clock_is_ahead_cuts_no_streams_of_others() -> None:
    def both(n: int) -> list[RawRecord]:
        return [record(2 * n, n * RATE, RATE), record(2 * n + 1, n * RATE, RATE, key=b"b", late_s=900)]

    items = take(partition(), *(each for n in range(40) for each in both(n)))
    assert [type(item) for item in items] == [Frame] * 80


def test_a_stream_that_begins_behind_a_stamp_that_lies_does_not_bear_it_out() -> None:
    records = [
        record(0, 0, RATE),
        record(1, 0, RATE, key=b"b"),
        record(2, 9000 * RATE, RATE),
        record(3, 0, RATE, key=b"c"),
    ]
    items = take(partition(replace(RULES, max_streams=3)), *records, record(4, RATE, RATE, key=b"b"))
    assert [item.stream.id for item in items if isinstance(item, StreamEnd)] == ["a"]


def test_a_flood_of_bad_records_is_not_remembered() -> None:
    streams = partition()
    flood = (RawRecord(n, START_MS + n, b"key-%d" % n, b"odd") for n in range(2, 1000))
    take(streams, record(0, 0, 800), record(1, 0, 800, key=b"b"), *flood)
    assert len(streams._changes) < 10
    assert [count.stream.id for count in streams.counts_before(500).streams] == ["a", "b"]


def test_one_record_whose_time_lies_ends_no_other_stream() -> None:
    streams = partition()
    lie = record(1, 3000 * RATE, 800, key=b"b")
    items = take(streams, record(0, 0, 8000), lie, record(2, 8000, 8000), record(3, 16_000, 8000))
    assert [type(item) for item in items] == [Frame] * 4
    assert {item.stream for item in items if item.stream.id == "a"} == {items[0].stream}


def test_more_streams_than_allowed_are_refused_and_the_others_go_on() -> None:
    items = take(partition(), *(record(n, 0, 800, key=bytes([97 + n])) for n in range(3)), record(3, 800, 800))
    assert [type(item) for item in items] == [Frame, Frame, BadRecord, Frame]


def test_a_bad_record_keeps_all_it_came_with_and_changes_nothing_for_its_neighbours() -> None:
    bad = RawRecord(1, START_MS + 100, b"a", b"odd", (("content-type", b"audio/wav"), ("trace", b"\x00")))
    items = take(partition(), record(0, 0, 800), bad, record(2, 800, 800))
    [found] = only(items, BadRecord)
    assert isinstance(found, BadRecord)
    assert (found.value, found.key, found.headers) == (b"odd", b"a", bad.headers)
    assert found.position is not None
    assert (found.position.lane, found.position.offset, found.exception) == ("audio/3", 1, "AudioError")
    assert "\n" not in found.reason
    assert items[0].stream == found.stream
    assert [item.first_sample for item in items if isinstance(item, Frame)] == [0, 800]


def test_a_first_sample_far_ahead_of_its_time_is_a_lie_unless_the_next_record_says_the_same() -> None:
    lie = record(1, 800, 800, headers={"first-sample": "9000000000"})
    one = take(partition(), record(0, 0, 800), lie, record(2, 1600, 800, headers={"first-sample": "1600"}))
    assert [type(item) for item in one] == [Frame, BadRecord, Gap, Frame]
    again = record(2, 1600, 800, headers={"first-sample": "9000000800"})
    two = take(partition(), record(0, 0, 800), lie, again)
    assert [type(item) for item in two] == [Frame, BadRecord, Gap, Frame]
    assert isinstance(two[-1], Frame)
    assert two[-1].first_sample == 9_000_000_800


def test_a_device_that_counts_from_zero_again_begins_another_stream() -> None:
    first = [record(n, 8000 * n, 8000, headers={"first-sample": str(8000 * n)}) for n in range(3)]
    boot = record(3, 24_000, 8000, headers={"first-sample": "0"})
    items = take(partition(), *first, boot)
    assert [type(item) for item in items] == [Frame, Frame, Frame, StreamEnd, Frame]
    assert items[3].stream == items[0].stream != items[4].stream


def test_records_that_were_deleted_before_they_were_read_are_a_gap_with_that_reason() -> None:
    streams = partition()
    take(streams, record(0, 0, 800))
    streams.lose("offsets 1 to 8 were deleted before they were read")
    gap, frame = take(streams, record(9, 800, 800, late_s=0.2))
    assert isinstance(gap, Gap)
    assert (gap.missing_samples, gap.reason) == (1600, "offsets 1 to 8 were deleted before they were read")
    assert isinstance(frame, Frame)
    assert frame.segment_sample == frame.first_sample == 2400
    counted = partition()
    take(counted, record(0, 0, 800))
    counted.lose("lost")
    assert [type(i) for i in take(counted, record(9, 800, 800, headers={"first-sample": "800"}))] == [Frame]


def test_a_stream_that_goes_on_at_another_rate_begins_a_segment_without_a_gap() -> None:
    streams = partition()
    take(streams, record(0, 0, 8000))
    other = RawRecord(
        1, START_MS + 1000, b"a", SAMPLES[:16_000].tobytes(), (("content-type", b"audio/L16;rate=16000"),)
    )
    [frame] = streams.take(other)
    assert isinstance(frame, Frame)
    assert (frame.first_sample, frame.segment_sample, frame.sample_rate) == (16_000, 16_000, 16_000)
    assert frame.time.at(16_000) == (START_MS + 1000) * 10**6

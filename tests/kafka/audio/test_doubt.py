"""One time stamp that lies moves nothing; where samples are missing, two stamps agree that they are."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pengi_stream.audio.pcm import AudioFormat
from pengi_stream.clock import rfc3339
from pengi_stream.kafka.audio.doubt import MOST_RECORDS, Doubter
from pengi_stream.kafka.audio.partition import Counts, PartitionStreams, StreamRules
from pengi_stream.kafka.lane import Lane
from pengi_stream.kafka.reading.inbox import RawRecord
from pengi_stream.types import BadRecord, Frame, Gap, SourceItem, StreamEnd

RATE = 8_000
RULES = StreamRules(AudioFormat(encoding="s16le", sample_rate=RATE), gap_tolerance_s=2, idle_s=60)
START_MS = 1_790_000_000_000
SECOND = np.ones(RATE, "<i2").tobytes()
DAY_S = 86_400


def doubter() -> Doubter:
    lane = Lane("audio", 3, 7)
    return Doubter(lane, RULES, PartitionStreams(lane, RULES, Counts()))


def record(offset: int, at_s: float, *, key: bytes = b"a", captured_s: float | None = None) -> RawRecord:
    """A second of audio, stamped so many seconds after the start."""
    at_ms = START_MS + round(1000 * at_s)
    captured = rfc3339(round((START_MS / 1000 + (captured_s or 0)) * 1e9))
    headers = () if captured_s is None else (("captured-at", captured.encode()),)
    return RawRecord(offset, at_ms, key, SECOND, headers)


def take(found: Doubter, records: Iterable[RawRecord]) -> list[SourceItem]:
    return [item for each in records for item in found.take(each)]


def places(items: list[SourceItem]) -> list[int]:
    return [item.first_sample // RATE for item in items if isinstance(item, Frame)]


@pytest.mark.parametrize("lie_s", [30, 3000, DAY_S, -DAY_S, 4 * 10**9])
@pytest.mark.parametrize("header", [False, True])
def test_a_lone_stamp_that_lies_is_told_and_its_samples_are_heard_where_they_belong(lie_s: float, header: bool) -> None:
    def second(n: int) -> RawRecord:
        off_s = lie_s if n == 5 else 0
        return record(n, n + (0 if header else off_s), captured_s=n + off_s if header else None)

    items = take(doubter(), [second(n) for n in range(10)])
    assert places(items) == list(range(10))
    told = [item for item in items if not isinstance(item, Frame)]
    if (
        lie_s < 0 and not header
    ):  # a record's stamp tells when it was sent, which may be late but means nothing if early
        assert told == []
    elif header and lie_s > 10**9:  # no time at all: its header is refused
        pytest.skip("no such captured-at")
    else:
        [bad] = told
        assert isinstance(bad, BadRecord)
        assert bad.kept
        assert f"a: its time stamp lies {abs(lie_s):.1f} s" in bad.reason
        assert bad.position == Lane("audio", 3, 7).position(5, more=True)


@pytest.mark.parametrize("header", [False, True])
def test_samples_that_are_missing_are_a_gap_before_the_record_behind_them(header: bool) -> None:
    def second(n: int) -> RawRecord:
        at_s = n + (30 if n >= 5 else 0)
        return record(n, at_s, captured_s=at_s if header else None)

    found = doubter()
    items = take(found, [second(n) for n in range(6)])
    assert places(items) == list(range(5))
    items += take(found, [second(n) for n in range(6, 10)])
    assert places(items) == [*range(5), *range(35, 40)]
    [gap] = [item for item in items if not isinstance(item, Frame)]
    assert isinstance(gap, Gap)
    assert (gap.first_sample, gap.missing_samples) == (5 * RATE, 30 * RATE)


def test_a_record_that_nothing_follows_is_believed_when_it_has_waited() -> None:
    found = doubter()
    assert take(found, [record(0, 0), record(1, 40)])[1:] == []
    assert found.doubted == record(1, 40)
    assert [type(item) for item in found.believe()] == [Gap, Frame]
    assert found.doubted is None


def test_one_that_would_end_its_stream_is_doubted_too() -> None:
    again = take(doubter(), [record(0, 0), record(1, 1), record(2, 300), record(3, 301)])
    assert [type(item) for item in again] == [Frame, Frame, StreamEnd, Frame, Frame]


def test_records_of_others_wait_in_their_order_but_not_for_ever() -> None:
    found = doubter()
    others = [record(2 + n, 0, key=b"%d" % n) for n in range(MOST_RECORDS)]
    items = take(found, [record(0, 0), record(1, 40), *others[:5]])
    assert len(items) == 1
    items += take(found, others[5:])
    offsets = [item.position.offset for item in items if item.position and not isinstance(item, Gap)]
    assert offsets == sorted(offsets)
    assert found.doubted is None


@given(
    st.lists(st.tuples(st.sampled_from([b"a", b"b"]), st.sampled_from([0, 0, 0, 0, 3, 30, -30, 900]))),
    st.booleans(),
)
def test_every_record_is_given_once_and_in_order_whatever_the_stamps(
    steps: list[tuple[bytes, int]], header: bool
) -> None:
    found, heard = doubter(), {b"a": 0, b"b": 0}
    items: list[SourceItem] = []
    for offset, (key, off_s) in enumerate(steps):
        at_s = heard[key] + off_s + 1000
        items += take(found, [record(offset, at_s, key=key, captured_s=at_s if header else None)])
        heard[key] += 1
    while found.doubted is not None:
        items += found.believe()
    frames = [item.position.offset for item in items if isinstance(item, Frame) and item.position]
    assert frames == list(range(len(steps)))

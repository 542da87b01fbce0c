"""Windows on a topic: what was written is read, whatever version wrote it, and what is damaged is told."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from pengi_stream.errors import AudioError
from pengi_stream.kafka.lane import Lane
from pengi_stream.outcomes import Quiet, Span, Unheard, WindowItem
from pengi_stream.positions import ReadPosition
from pengi_stream.types import BadRecord, Gap, Stream, StreamEnd, TimeMap, Window, WindowShape
from pengi_stream.wire.payload import Encoding
from pengi_stream.wire.windows import WindowRecord, from_record, most_bytes, to_record

DATA = Path(__file__).parents[1] / "data"
SHAPE = WindowShape(8_000, 4)
PLACE = Lane("windows", 3, assignment=2).position(17)
STREAM = Stream("tür/ost", "2026-01-31T12:00:00Z", live=True)
WINDOW = Window(
    STREAM,
    segment_sample=100,
    first_sample=104,
    samples=np.array([0.0, 0.5, -1.0, 2**-15], np.float32),
    valid_samples=3,
    sample_rate=8_000,
    start_ns=1_769_860_800_013_000_000,
    end_ns=1_769_860_800_013_375_000,
    ready_s=0.0,
)
GAP = Gap(STREAM, 3, 4_410, 44_100, TimeMap(1, 1_769_860_800_000_000_000, 44_100.25), "unplugged")
END = StreamEnd(STREAM)
BAD = BadRecord(STREAM, "tür/ost: truncated", "AudioError", time_ns=-5)
ORIGIN = Lane("audio", 1).position(9)
SPAN = Span(STREAM, 100, 104, 110, 8_000, 1_769_860_800_013_000_000, 1_769_860_800_013_750_000)
QUIET = Quiet(SPAN)
UNHEARD = Unheard(SPAN, "waited too long")
COMMON = [("session", b"2026-01-31T12:00:00Z"), ("live", b"1")]

# What the golden files of version 1 hold. Samples by hand: 16 bits, most significant byte first.
VERSION_1 = {
    "window_v1": (
        WINDOW,
        [
            ("schema", b"pengi_stream.window/1"),
            *COMMON,
            ("content-type", b"audio/L16;rate=8000;channels=1"),
            ("segment-sample", b"100"),
            ("first-sample", b"104"),
            ("samples", b"4"),
            ("valid-samples", b"3"),
            ("sample-rate", b"8000"),
            ("start-ns", b"1769860800013000000"),
            ("end-ns", b"1769860800013375000"),
        ],
        bytes([0x00, 0x00, 0x40, 0x00, 0x80, 0x00, 0x00, 0x01]),
    ),
    "gap_v1": (
        GAP,
        [
            ("schema", b"pengi_stream.gap/1"),
            *COMMON,
            ("first-sample", b"3"),
            ("missing-samples", b"4410"),
            ("sample-rate", b"44100"),
            ("anchor-sample", b"1"),
            ("anchor-ns", b"1769860800000000000"),
            ("measured-rate", b"44100.25"),
            ("reason", b"unplugged"),
        ],
        b"",
    ),
    "end_v1": (END, [("schema", b"pengi_stream.end/1"), *COMMON], b""),
    "bad_v1": (
        BAD,
        [
            ("schema", b"pengi_stream.bad/1"),
            *COMMON,
            ("reason", "tür/ost: truncated".encode()),
            ("exception", b"AudioError"),
            ("time-ns", b"-5"),
        ],
        b"",
    ),
}

# Version 2 says as well where in the audio a window or a bad record began.
ORIGINS = {"window_v1": replace(WINDOW, position=ORIGIN), "bad_v1": replace(BAD, position=ORIGIN)}


def version_2(name: str) -> tuple[WindowItem, list[tuple[str, bytes]], bytes]:
    item, headers, value = VERSION_1[name]
    newer = [(key, fact.replace(b"/1", b"/2") if key == "schema" else fact) for key, fact in headers]
    if name in ORIGINS:
        newer.insert(1 + len(COMMON), ("origin", b"audio/1 9"))
        item = ORIGINS[name]
    return item, newer, value


def version_3(name: str) -> tuple[WindowItem, list[tuple[str, bytes]], bytes]:
    """Names the facts of an origin, so that any source can have them."""
    item, headers, value = version_2(name)
    newer = {key: fact.replace(b"/2", b"/3") if key == "schema" else fact for key, fact in headers}
    if name in ORIGINS:
        newer["origin"] = b'{"topic":"audio","partition":1,"offset":9}'
    return item, list(newer.items()), value


# Version 3 has, beside that, what nobody listened to.
SPAN_HEADERS = [
    ("segment-sample", b"100"),
    ("first-sample", b"104"),
    ("end-sample", b"110"),
    ("sample-rate", b"8000"),
    ("start-ns", b"1769860800013000000"),
    ("end-ns", b"1769860800013750000"),
]
ONLY_VERSION_3: dict[str, tuple[WindowItem, list[tuple[str, bytes]], bytes]] = {
    "quiet_v3": (QUIET, [("schema", b"pengi_stream.quiet/3"), *COMMON, *SPAN_HEADERS], b""),
    "unheard_v3": (
        UNHEARD,
        [("schema", b"pengi_stream.unheard/3"), *COMMON, *SPAN_HEADERS, ("reason", b"waited too long")],
        b"",
    ),
}

GOLDEN = {
    **VERSION_1,
    **{name.replace("v1", "v2"): version_2(name) for name in VERSION_1},
    **{name.replace("v1", "v3"): version_3(name) for name in VERSION_1},
    **ONLY_VERSION_3,
}


def packed(record: WindowRecord) -> bytes:
    """The layout of a golden file: key, number of headers, name and value of each, value; lengths before each, >u4."""

    def sized(data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + data

    headers = b"".join(sized(name.encode()) + sized(value) for name, value in record.headers)
    return sized(record.key) + struct.pack(">I", len(record.headers)) + headers + sized(record.value)


def unpacked(data: bytes) -> WindowRecord:
    def take() -> bytes:
        nonlocal data
        (length,) = struct.unpack_from(">I", data)
        found, data = data[4 : 4 + length], data[4 + length :]
        return found

    key = take()
    (count,), data = struct.unpack_from(">I", data), data[4:]
    headers = tuple((take().decode(), take()) for _ in range(count))
    return WindowRecord(key, take(), headers)


def read(record: WindowRecord, shape: WindowShape = SHAPE) -> WindowItem:
    return from_record(record, shape, PLACE, 1.5)


def facts_of(position: ReadPosition | None) -> dict[str, str | int] | None:
    return None if position is None else dict(position.origin)


def arrived(item: WindowItem) -> WindowItem:
    """`item` without `live`: what was sent can wait."""
    match item:
        case Quiet() | Unheard():
            return replace(item, span=replace(item.span, stream=replace(item.stream, live=False)))
    return replace(item, stream=replace(item.stream, live=False))


def assert_same(found: WindowItem, sent: WindowItem, off: float = 0.0) -> None:
    if isinstance(sent, Window):
        assert isinstance(found, Window)
        assert found.samples.dtype == np.float32
        assert np.abs(found.samples - sent.samples).max() <= off
        assert found.ready_s == 1.5
        names = ["stream", "segment_sample", "first_sample", "valid_samples", "sample_rate", "start_ns", "end_ns"]
        assert [getattr(found, name) for name in names] == [getattr(sent, name) for name in names]
        assert found.position == PLACE
        assert facts_of(found.origin) == facts_of(sent.position)
    elif isinstance(sent, BadRecord):
        assert isinstance(found, BadRecord)
        assert found == replace(sent, position=PLACE, kept=True, origin=found.origin)
        assert facts_of(found.origin) == facts_of(sent.position)
    elif isinstance(sent, Quiet | Unheard):
        assert found == replace(sent, span=replace(sent.span, stream=sent.stream, position=PLACE, ready_s=1.5))
    else:
        assert found == replace(sent, position=PLACE)


@pytest.mark.parametrize("name", GOLDEN)
def test_records_of_every_version_are_read(name: str) -> None:
    item, headers, value = GOLDEN[name]
    record = unpacked((DATA / f"{name}.record").read_bytes())
    assert record == WindowRecord("tür/ost".encode(), value, tuple(headers))
    assert_same(read(record), arrived(item))


@pytest.mark.parametrize("name", ["window_v3", "quiet_v3", "unheard_v3", "gap_v3", "end_v3", "bad_v3"])
def test_records_are_written_as_the_golden_files_say(name: str) -> None:
    assert packed(to_record(GOLDEN[name][0], "l16")) == (DATA / f"{name}.record").read_bytes()


IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1) | st.binary(min_size=1).map(
    lambda name: name.decode("utf-8", "surrogateescape")
)
STREAMS = st.builds(Stream, IDS, st.text(st.characters(exclude_categories=["Cs"])), st.booleans())
TIMES_NS = st.integers(-(10**18), 4 * 10**18)
INDEX = st.integers(0, 10**15)
SAMPLES = st.lists(st.floats(-1, 32_767 / 32_768, width=32), min_size=1, max_size=50)


@given(STREAMS, INDEX, INDEX, SAMPLES, st.data(), st.sampled_from(["l16", "flac16", "flac"]))
def test_a_window_arrives_as_it_was_sent_but_for_half_a_step(
    stream: Stream, segment: int, ahead: int, samples: list[float], data: st.DataObject, encoding: Encoding
) -> None:
    start_ns = data.draw(TIMES_NS)
    valid = data.draw(st.integers(1, len(samples)))
    window = Window(
        stream,
        segment,
        segment + ahead,
        np.array(samples, np.float32),
        valid,
        16_000,
        start_ns,
        start_ns + valid * 62_500,
        9.0,
    )
    found = read(to_record(window, encoding), WindowShape(16_000, len(samples)))
    assert_same(found, arrived(window), off=2**-24 if encoding == "flac" else 2**-16)


@given(STREAMS, INDEX, INDEX, st.integers(1, 10**13), TIMES_NS, st.text(st.characters(codec="utf-8")))
def test_what_nobody_listened_to_arrives_as_it_was_sent(
    stream: Stream, segment: int, ahead: int, samples: int, start_ns: int, reason: str
) -> None:
    first = segment + ahead
    span = Span(stream, segment, first, first + samples, 8_000, start_ns, start_ns + 125_000 * samples)
    for item in (Quiet(span), Unheard(span, reason)):
        record = to_record(item, "flac")
        assert record.value == b""
        assert_same(read(record), arrived(item))


@given(STREAMS, INDEX, st.integers(1, 4 * 10**9), st.floats(1, 10**6), TIMES_NS, st.text(st.characters(codec="utf-8")))
def test_gaps_ends_and_bad_records_arrive_as_they_were_sent(
    stream: Stream, first: int, missing: int, rate: float, time_ns: int, reason: str
) -> None:
    time = TimeMap(first, time_ns, rate)
    for item in (
        Gap(stream, first, missing, 48_000, time, reason),
        StreamEnd(stream),
        BadRecord(stream, reason, "ValueError", time_ns=time_ns),
    ):
        assert_same(read(to_record(item, "flac")), arrived(item))


@pytest.mark.parametrize("encoding", ["l16", "flac16", "flac"])
def test_16_bit_sound_arrives_unchanged(encoding: Encoding) -> None:
    steps = np.arange(-32_768, 32_768).astype(np.float32) / np.float32(32_768)
    window = replace(WINDOW, samples=steps, valid_samples=len(steps))
    assert_same(read(to_record(window, encoding), WindowShape(8_000, len(steps))), arrived(window))


def test_what_is_louder_than_full_scale_is_clipped() -> None:
    loud = replace(WINDOW, samples=np.array([1.5, -3.0, 1.0, 0.0], np.float32))
    found = read(to_record(loud, "flac16"))
    assert isinstance(found, Window)
    assert found.samples.tolist() == [32_767 / 32_768, -1.0, 32_767 / 32_768, 0.0]


def test_the_largest_record_holds_the_worst_sound() -> None:
    noise = np.random.default_rng(1).uniform(-1, 1, 40_000).astype(np.float32)
    window = replace(WINDOW, samples=noise, valid_samples=len(noise))
    encodings: list[Encoding] = ["l16", "flac16", "flac"]
    for encoding in encodings:
        record = to_record(window, encoding)
        assert len(packed(record)) <= most_bytes(len(noise), encoding)


def changed(item: WindowItem = WINDOW, **headers: bytes | None) -> WindowRecord:
    """The record of `item` with other headers; None: without."""
    record = to_record(item, "l16")
    named = {**dict(record.headers), **{name.replace("_", "-"): value for name, value in headers.items()}}
    return replace(record, headers=tuple((name, value) for name, value in named.items() if value is not None))


@pytest.mark.parametrize(
    ("record", "complaint"),
    [
        (
            changed(schema=b"pengi_stream.window/99"),
            r"'pengi_stream.window/99', expected .* of version 1 or 2 or 3",
        ),
        (changed(schema=b"audio"), "header schema: found 'audio'"),
        (changed(schema=None), "header schema is missing"),
        (changed(first_sample=b"12x"), "header first-sample: found '12x', expected a whole number"),
        (changed(first_sample=b"9" * 5000), "header first-sample: found '9999"),
        (changed(first_sample=b"50"), "header segment-sample: found 100, behind first-sample"),
        (changed(valid_samples=b"5"), "header valid-samples: found 5, expected up to 4"),
        (changed(valid_samples=b"0"), "header valid-samples: found 0, expected 1 or more"),
        (changed(samples=b"1000000000000"), "window of 1000000000000 samples at 8000 Hz, expected 4 at 8000 Hz"),
        (changed(sample_rate=b"16000"), "ingest and worker need the same model"),
        (changed(content_type=b"audio/L16;rate=16000;channels=1"), "header content-type: found 'audio/L16;rate=16000"),
        (changed(content_type=b"audio/flac"), "no flac audio"),
        (changed(origin=b"audio/1"), "header origin: found 'audio/1', expected a partition and an offset"),
        (changed(origin=b'{"topic":"audio"}'), "header origin: found .*expected an offset"),
        (changed(origin=b'{"offset":1'), "header origin: found .*expected JSON"),
        (changed(origin=b'{"offset":[1]}'), "header origin: found .*expected texts and numbers"),
        (changed(QUIET, end_sample=b"104"), "header end-sample: found 104, expected 105 or more"),
        (changed(QUIET, sample_rate=b"16000"), "time counted at 16000 Hz, expected 8000 Hz; ingest and worker need"),
        (changed(QUIET, segment_sample=b"105"), "header segment-sample: found 105, behind first-sample"),
        (changed(QUIET, end_ns=b"5"), "header end-ns: found 5, expected more than start-ns"),
        (changed(UNHEARD, reason=None), "header reason is missing"),
        (changed(live=b"yes"), "header live: found 'yes', expected 0 or 1"),
        (changed(end_ns=b"9223372036854775808"), "header end-ns: found '9223372036854775808', expected .* of 64 bits"),
        (changed(GAP, missing_samples=b"1" + b"0" * 18, measured_rate=b"1"), "gap of 1000000000000000000 samples"),
        (changed(GAP, measured_rate=b"1e-300"), "expected its times, in nanoseconds since 1970, in 64 bits"),
        (changed(end_ns=b"5"), "header end-ns: found 5, expected more than start-ns"),
        (replace(to_record(WINDOW, "l16"), value=b"\0" * 7), "found 7 bytes of 16-bit samples, expected 8"),
        (replace(to_record(WINDOW, "l16"), value=b""), "found 0 bytes of 16-bit samples, expected 8"),
    ],
)
def test_what_is_damaged_or_lies_is_told(record: WindowRecord, complaint: str) -> None:
    with pytest.raises(AudioError, match=complaint):
        read(record)


def test_flac_that_is_cut_or_holds_something_else_is_told() -> None:
    samples = np.sin(np.arange(20_000) / 9).astype(np.float32) / 2
    record = to_record(replace(WINDOW, samples=samples, valid_samples=20_000), "flac")
    shape = WindowShape(8_000, 20_000)
    out = io.BytesIO()
    soundfile.write(out, np.zeros((20_000, 2), np.int16), 8_000, format="FLAC")
    for value in (record.value[:-500], record.value[:40], out.getvalue()):
        with pytest.raises(AudioError, match=r"truncated|no flac audio|2 channel"):
            read(replace(record, value=value), shape)

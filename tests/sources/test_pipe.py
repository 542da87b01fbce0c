import io
import os
import select
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile
from given import GivenSource
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pengi_stream.clock import SystemClock
from pengi_stream.errors import SourceError
from pengi_stream.sources.file import FileSourceConfig
from pengi_stream.sources.pipe import PipeSource, PipeSourceConfig
from pengi_stream.testing import FakeClock, check_source, context
from pengi_stream.types import NS_PER_S, BadRecord, Frame, SourceItem, StreamEnd

RAW = {"encoding": "s16le", "sample_rate": 16_000, "channels": 1}
SUBTYPES = {"PCM_U8": "u8", "PCM_16": "s16le", "PCM_24": "s24le", "PCM_32": "s32le", "FLOAT": "f32le"}


@contextmanager
def _fed(data: bytes, piece: int) -> Iterator[int]:
    """A pipe into which a thread writes `data` in pieces."""
    read_fd, write_fd = os.pipe()

    def feed() -> None:
        for start in range(0, len(data), piece):
            os.write(write_fd, data[start : start + piece])
        os.close(write_fd)

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        yield read_fd
    finally:
        while os.read(read_fd, 1 << 16):
            pass
        feeder.join()
        os.close(read_fd)


@pytest.fixture
def piece(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Bytes of a write, and of a read at most: a slow reader would else find many pieces at once."""
    monkeypatch.setattr("pengi_stream.sources.pipe.READ_BYTES", request.param)
    return int(request.param)


def _config(**keys: object) -> PipeSourceConfig:
    return PipeSourceConfig.model_validate({"type": "pipe"} | keys)


def _items(data: bytes, piece: int = 1 << 16, **keys: object) -> list[SourceItem]:
    with _fed(data, piece) as fd:
        return list(check_source(GivenSource(part=PipeSource(_config(**keys), fd, SystemClock()))))


def _wav(seconds: float = 0.25, subtype: str = "PCM_16", channels: int = 1, container: str = "WAV") -> bytes:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (round(seconds * 16_000), channels))
    file = io.BytesIO()
    soundfile.write(file, noise, 16_000, subtype=subtype, format=container)
    return file.getvalue()


def _with_length(wav: bytes, length: int) -> bytes:
    place = wav.index(b"data") + 4
    return wav[:place] + struct.pack("<I", length) + wav[place + 4 :]


def _assert_same_audio(items: list[SourceItem], expected: list[SourceItem]) -> None:
    assert [type(item) for item in items] == [type(item) for item in expected]
    for item, other in zip(items, expected, strict=True):
        if isinstance(item, Frame) and isinstance(other, Frame):
            assert (item.first_sample, item.sample_rate, item.time) == (
                other.first_sample,
                other.sample_rate,
                other.time,
            )
            np.testing.assert_array_equal(item.samples, other.samples)


def _items_of_file(tmp_path: Path, wav: bytes) -> list[SourceItem]:
    path = tmp_path / "same.wav"
    path.write_bytes(wav)
    return list(FileSourceConfig(type="file", path=str(path)).build(context()).frames())


@pytest.mark.parametrize("piece", [1, 7, 4_097], indirect=True)
def test_a_wav_in_pieces_gives_the_frames_of_the_file(tmp_path: Path, piece: int) -> None:
    _assert_same_audio(_items(_wav(), piece), _items_of_file(tmp_path, _wav()))


@pytest.mark.parametrize("piece", [1, 7, 4_097], indirect=True)
def test_raw_audio_in_pieces_gives_the_frames_of_the_file(tmp_path: Path, piece: int) -> None:
    _assert_same_audio(_items(_wav()[44:], piece, audio=RAW), _items_of_file(tmp_path, _wav()))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 20_000), st.integers(0, 6_000))
def test_any_pieces_of_any_length_give_the_same_frames(piece: int, samples: int) -> None:
    data = _wav(samples / 16_000)[44:]
    if samples:
        _assert_same_audio(_items(data, max(piece, len(data) // 50), audio=RAW), _items(data, audio=RAW))


@pytest.mark.parametrize("subtype", SUBTYPES)
@pytest.mark.parametrize("channels", [1, 2, 8])
@pytest.mark.parametrize("container", ["WAV", "WAVEX"])
def test_every_encoding_gives_the_samples_of_the_file(
    tmp_path: Path, subtype: str, channels: int, container: str
) -> None:
    wav = _wav(0.15, subtype, channels, container)
    _assert_same_audio(_items(wav), _items_of_file(tmp_path, wav))


@pytest.mark.parametrize("length", [0, 0xFFFF_FFFF, 0x7FFF_F000, 0x8000_0000])
def test_a_wav_without_a_true_length_is_read_to_its_end(tmp_path: Path, length: int) -> None:
    _assert_same_audio(_items(_with_length(_wav(), length)), _items_of_file(tmp_path, _wav()))


def test_what_follows_a_true_length_is_no_audio() -> None:
    tail = struct.pack("<4sI", b"LIST", 4_000) + bytes(4_000)
    _assert_same_audio(_items(_wav() + tail), _items(_wav()))


def test_a_wav_that_ends_before_its_length_gives_its_good_part_and_a_report() -> None:
    *frames, record, end = _items(_wav(0.25)[: 44 + 2 * 3_000])
    assert sum(len(frame.samples) for frame in frames) == 3_000
    assert isinstance(record, BadRecord)
    assert record.reason == "stdin: truncated: its header promises 2000 byte(s) more"
    assert isinstance(end, StreamEnd)


def test_a_torn_last_sample_is_dropped_and_reported() -> None:
    *frames, record, end = _items(_wav()[44:] + b"\x01", audio=RAW)
    assert sum(len(frame.samples) for frame in frames) == 4_000
    assert isinstance(record, BadRecord)
    assert record.reason == "stdin: dropped 1 byte(s) of a torn last sample"
    assert record.time_ns == NS_PER_S // 4
    assert isinstance(end, StreamEnd)


def test_a_wav_whose_length_tears_a_sample_says_so() -> None:
    *frames, record, _ = _items(_with_length(_wav(), 2_001))
    assert sum(len(frame.samples) for frame in frames) == 1_000
    assert isinstance(record, BadRecord)
    assert "torn last sample" in record.reason


@pytest.mark.parametrize("data", [b"", b"RIF", b"\x01\x02" * 4_000, b"Dear diary, today", _wav()[:30]])
def test_what_is_neither_described_nor_a_wav_ends_the_source_with_one_line(data: bytes) -> None:
    with _fed(data, 1 << 16) as fd, pytest.raises(SourceError) as raised:
        list(PipeSource(_config(), fd, SystemClock()).frames())
    assert str(raised.value).startswith("stdin: found")
    assert "audio: {" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("container", "words"),
    [
        ("WAV", "found WAV where `audio` says s16le; leave `audio` out"),
        ("FLAC", "found FLAC where `audio` says s16le; decode it: ffmpeg -loglevel error -i FILE -f s16le -ac 1 -ar"),
        ("OGG", "found Ogg"),
        ("MP3", "found MP3"),
    ],
)
@pytest.mark.parametrize("piece", [1, 4_097], indirect=True)
def test_a_file_where_raw_samples_were_promised_is_refused_with_the_line_that_helps(
    container: str, words: str, piece: int
) -> None:
    subtype = {"OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}.get(container, "PCM_16")
    with _fed(_wav(1.0, subtype, container=container), piece) as fd, pytest.raises(SourceError) as raised:
        list(PipeSource(_config(audio=RAW), fd, SystemClock()).frames())
    assert str(raised.value).startswith(f"stdin: {words}")


def test_a_file_that_is_no_wav_is_named_where_nothing_was_promised() -> None:
    with _fed(_wav(container="FLAC"), 1 << 16) as fd, pytest.raises(SourceError, match=r"ffmpeg .* -f wav -"):
        list(PipeSource(_config(), fd, SystemClock()).frames())


@pytest.mark.parametrize("keys", [{}, {"live": True}, {"live": True, "ends": True}])
def test_a_pipe_that_ends_without_a_sample_is_a_fault(keys: dict[str, object]) -> None:
    with _fed(b"", 1 << 16) as fd, pytest.raises(SourceError, match="stdin: ended without a sample"):
        list(PipeSource(_config(audio=RAW, **keys), fd, SystemClock()).frames())


def test_a_live_pipe_that_ends_is_a_fault_once_all_of_it_was_heard() -> None:
    with _fed(_wav(0.25), 1 << 16) as fd:
        items = PipeSource(_config(live=True), fd, SystemClock()).frames()
        *frames, end = islice(items, 4)
        with pytest.raises(SourceError, match=r"ended, though it is live.* `ends: true`"):
            next(items)
    assert sum(len(frame.samples) for frame in frames if isinstance(frame, Frame)) == 4_000
    assert isinstance(end, StreamEnd)
    assert isinstance(_items(_wav(0.25), live=True, ends=True)[-1], StreamEnd)


def test_a_live_pipe_begins_now_and_another_in_1970() -> None:
    for live, start_ns in ((True, 5 * NS_PER_S), (False, 0)):
        with _fed(_wav(), 1 << 16) as fd:
            clock = FakeClock(utc_ns=5 * NS_PER_S)
            first, *_ = PipeSource(_config(live=live, ends=True), fd, clock).frames()
        assert isinstance(first, Frame)
        assert first.time.at(0) == start_ns
        assert first.stream.session == ("1970-01-01T00:00:05.000Z" if live else "")


@pytest.mark.parametrize("starts_at", ["mtime", "%Y%m%d", "yesterday"])
def test_a_pipe_has_no_file_to_take_its_start_from(starts_at: str) -> None:
    with pytest.raises(ValidationError, match="expected now, or a time stamp"):
        _config(starts_at=starts_at)


def test_a_pipe_starts_when_it_is_told_to_and_carries_its_name() -> None:
    with _fed(_wav(), 1 << 16) as fd:
        config = _config(starts_at="now", stream_id="kitchen", live=True, ends=True)
        first, *_ = PipeSource(config, fd, FakeClock(utc_ns=5 * NS_PER_S)).frames()
    assert isinstance(first, Frame)
    assert first.time.at(0) == 5 * NS_PER_S
    assert (first.stream.id, first.stream.live, first.position) == ("kitchen", True, None)


@pytest.mark.parametrize("already", [b"", b"RIFF", _wav(1.0)[:10_000]])
def test_close_frees_a_pipe_that_waits_for_bytes(already: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer stays open and silent, so a read would block for ever."""
    read_fd, write_fd = os.pipe()
    os.write(write_fd, already)
    waits, real_select = threading.Event(), select.select

    def watched_select(*fds: list[int]) -> object:
        if not real_select([read_fd], [], [], 0)[0]:
            waits.set()
        return real_select(*fds)

    monkeypatch.setattr(select, "select", watched_select)
    source = PipeSource(_config(), read_fd, SystemClock())
    reader = threading.Thread(target=lambda: list(source.frames()), daemon=True)
    reader.start()
    assert waits.wait(timeout=5)
    source.close()
    reader.join(timeout=5)
    alive = reader.is_alive()
    os.close(write_fd)
    os.close(read_fd)
    assert not alive


def test_a_pipe_that_was_closed_before_gives_nothing() -> None:
    with _fed(_wav(), 1 << 16) as fd:
        source = PipeSource(_config(), fd, SystemClock())
        source.close()
        source.close()
        assert not list(source.frames())


def test_a_descriptor_that_cannot_be_read_ends_the_source_with_one_line(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(SourceError, match="stdin: cannot be read: Is a directory"):
            list(PipeSource(_config(audio=RAW), fd, SystemClock()).frames())
    finally:
        os.close(fd)

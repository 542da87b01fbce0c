"""Records in every format give their samples; those that lie are refused in one line."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from pengi_stream.audio.pcm import AudioFormat
from pengi_stream.errors import AudioError
from pengi_stream.kafka.audio.record import Headers, read_audio

RAMP = np.arange(-1000, 1000, dtype=np.int16)
S16LE = AudioFormat(encoding="s16le", sample_rate=44_100)


def typed(content_type: str, **more: str) -> Headers:
    named = {"content-type": content_type, **{key.replace("_", "-"): value for key, value in more.items()}}
    return tuple((name, value.encode()) for name, value in named.items())


def contained(kind: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, RAMP, 44_100, format=kind)
    return file.getvalue()


def test_l16_is_big_endian_and_raw_audio_is_as_the_source_says() -> None:
    network = read_audio(RAMP.astype(">i2").tobytes(), typed("audio/L16;rate=44100;channels=1"), None, 60)
    raw = read_audio(RAMP.astype("<i2").tobytes(), (), S16LE, 60)
    assert np.array_equal(network.samples, raw.samples)
    assert np.array_equal(raw.samples[:, 0], RAMP / np.float32(32768))
    assert (network.sample_rate, raw.sample_rate) == (44_100, 44_100)


def test_a_content_type_counts_more_than_the_default() -> None:
    audio = read_audio(RAMP.astype(">i2").tobytes(), typed('AUDIO/l16; rate="8000" ; channels=2'), S16LE, 60)
    assert (audio.samples.shape, audio.sample_rate) == ((1000, 2), 8000)


@pytest.mark.parametrize(("kind", "content_type"), [("WAV", "audio/wav"), ("FLAC", "audio/flac"), ("OGG", "audio/ogg")])
def test_containers_are_read_with_and_without_a_content_type(kind: str, content_type: str) -> None:
    for headers in (typed(content_type), ()):
        audio = read_audio(contained(kind), headers, None, 60)
        assert (len(audio.samples), audio.sample_rate) == (2000, 44_100)


def test_first_sample_and_capture_time_are_taken_from_the_headers() -> None:
    headers = typed("audio/wav", first_sample="44100", captured_at="1970-01-01T00:00:01.5Z")
    audio = read_audio(contained("WAV"), headers, None, 60)
    assert (audio.first_sample, audio.captured_ns) == (44_100, 1_500_000_000)
    plain = read_audio(contained("WAV"), (), None, 60)
    assert (plain.first_sample, plain.captured_ns) == (None, None)


@pytest.mark.parametrize(
    ("value", "headers", "words"),
    [
        (b"", (), "empty"),
        (b"\x00" * 999, (), "multiple of 2"),
        (b"\x00" * 20_000_000, (), "226.8 s"),
        (b"\x00" * 1000, typed("audio/wav"), "no wav audio"),
        (contained("WAV")[:500], typed("audio/wav"), "truncated"),
        (contained("FLAC"), typed("audio/wav"), "found flac audio"),
        (b"\x00" * 1000, typed("audio/L16"), "rate=44100"),
        (b"\x00" * 1000, typed("audio/L16;rate=fast"), "rate=44100"),
        (b"\x00" * 1000, typed("audio/L16;rate=7"), "rate=44100"),
        (b"\x00" * 1000, typed("video/mp4"), "video/mp4"),
        (b"\x00" * 1000, typed("audio/L16;rate=8000", first_sample="-1"), "first-sample"),
        (b"\x00" * 1000, typed("audio/L16;rate=8000", first_sample="soon"), "first-sample"),
        (b"\x00" * 1000, typed("audio/L16;rate=8000", captured_at="yesterday"), "captured-at"),
        (b"\x00" * 1000, typed("audio/L16;rate=8000", captured_at="9999-12-31T23:59:59Z"), "from 1970 to 2199"),
        (b"\x00" * 1000, typed("audio/L16;rate=8000", captured_at="2200-01-01T00:00:00Z"), "from 1970 to 2199"),
        (b"\x00" * 1000, typed("audio/L16;rate=8000", captured_at="1969-12-31T23:59:59Z"), "from 1970 to 2199"),
        (b"\x00" * 1000, typed("audio/L16;rate=8000", captured_at="0001-01-01T00:00:00+14:00"), "from 1970 to 2199"),
        (b"\x00" * 1000, (("content-type", b"\xff"),), "plain text"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(value: bytes, headers: Headers, words: str) -> None:
    with pytest.raises(AudioError, match=words) as refused:
        read_audio(value, headers, S16LE, 60)
    assert "\n" not in str(refused.value)


def test_values_that_are_no_numbers_are_refused() -> None:
    floats = np.array([0.0, np.nan, np.inf, 0.5], np.float32)
    with pytest.raises(AudioError, match="2 of 4 samples"):
        read_audio(floats.tobytes(), (), AudioFormat(encoding="f32le", sample_rate=8000), 60)


def test_raw_bytes_that_nobody_described_are_refused_with_advice() -> None:
    with pytest.raises(AudioError, match="say what raw audio is"):
        read_audio(b"\x00" * 1000, (), None, 60)

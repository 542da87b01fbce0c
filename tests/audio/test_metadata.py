"""Recorders write the time into their files in several ways."""

from __future__ import annotations

import struct
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pengi_stream.audio.metadata import recorded_at

RATE = 48_000


def wav(path: Path, *chunks: tuple[bytes, bytes]) -> Path:
    """A WAV of a tenth of a second, with `chunks` before its samples."""
    soundfile.write(path, np.zeros(RATE // 10), RATE, subtype="PCM_16")
    data = path.read_bytes()
    more = b"".join(struct.pack("<4sI", name, len(body)) + body + bytes(len(body) % 2) for name, body in chunks)
    whole = data[:36] + more + data[36:]
    path.write_bytes(whole[:4] + struct.pack("<I", len(whole) - 8) + whole[8:])
    return path


def bext(date: bytes, time: bytes, samples: int = 0) -> tuple[bytes, bytes]:
    body = b"a field recorder".ljust(320, b"\0") + date + time + struct.pack("<Q", samples) + bytes(256)
    return b"bext", body


def info(kind: bytes, text: bytes) -> tuple[bytes, bytes]:
    return b"LIST", b"INFO" + kind + struct.pack("<I", len(text)) + text


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([bext(b"2026-01-31", b"12:34:56")], "2026-01-31T12:34:56"),
        ([bext(b"2026:01:31", b"12-34-56")], "2026-01-31T12:34:56"),
        ([bext(b"2026-01-31", b"00:00:00", RATE * 3_600 + RATE // 2)], "2026-01-31T01:00:00.500000"),
        ([(b"odd ", b"x"), bext(b"2026-01-31", b"12:34:56")], "2026-01-31T12:34:56"),
        (
            [info(b"ICMT", b"Recorded at 19:17:30 23/02/2019 (UTC) by AudioMoth 0FE081F80FE081F0")],
            "2019-02-23T19:17:30+00:00",
        ),
        ([info(b"ICMT", b"Recorded at 19:17:30 23/02/2019 (UTC-5:30) by AudioMoth")], "2019-02-23T19:17:30-05:30"),
        ([info(b"ICRD", b"2026-01-31 12:34:56\0")], "2026-01-31T12:34:56"),
    ],
)
def test_a_wav_says_when_it_was_recorded(tmp_path: Path, chunks: list[tuple[bytes, bytes]], expected: str) -> None:
    assert recorded_at(wav(tmp_path / "a.wav", *chunks)) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [bext(bytes(10), bytes(8))],
        [bext(b"2026-13-31", b"12:34:56")],
        [bext(b"2026-01-31", b"12:34:56", 2**63)],
        [(b"bext", b"short")],
        [info(b"ICRD", b"2026-01-31")],
        [info(b"ICRD", b"")],
    ],
)
def test_what_is_no_time_of_a_recording_is_none(tmp_path: Path, chunks: list[tuple[bytes, bytes]]) -> None:
    assert recorded_at(wav(tmp_path / "a.wav", *chunks)) is None


@pytest.mark.parametrize("suffix", ["flac", "ogg"])
def test_a_tag_with_a_time_counts_and_the_year_of_a_record_does_not(tmp_path: Path, suffix: str) -> None:
    for date, expected in (("2026-01-31T12:34:56+01:00", "2026-01-31T12:34:56+01:00"), ("1971", None)):
        path = tmp_path / f"a.{suffix}"
        with soundfile.SoundFile(path, "w", RATE, 1) as file:
            file.date = date
            file.write(np.zeros(4_800))
        assert recorded_at(path) == (expected and datetime.fromisoformat(expected))


def test_what_is_no_audio_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF\0\0")
    assert recorded_at(tmp_path / "a.wav") is None

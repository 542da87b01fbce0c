"""A file is told from raw samples by how it begins, and samples are not taken for a file."""

from __future__ import annotations

import io
import shutil
import subprocess

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from pengi_stream.audio.headers import header_in, is_undecided

FORMATS = {
    "WAV": "WAV",
    "RF64": "WAV",
    "W64": "W64",
    "FLAC": "FLAC",
    "OGG": "Ogg",
    "AIFF": "AIFF",
    "AU": "AU",
    "CAF": "CAF",
    "MP3": "MP3",
}


def encoded(container: str, rate: int = 44_100, seconds: float = 1.0) -> bytes:
    file = io.BytesIO()
    samples = np.random.default_rng(0).uniform(-0.3, 0.3, round(rate * seconds))
    soundfile.write(file, samples, rate, format=container)
    return file.getvalue()


@pytest.mark.parametrize("container", FORMATS)
def test_files_are_known_by_their_headers(container: str) -> None:
    assert header_in(encoded(container)) == FORMATS[container]


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 32_000, 44_100, 48_000])
def test_mpeg_frames_are_known_without_a_tag(rate: int) -> None:
    data = encoded("MP3", rate)
    assert data[:3] != b"ID3"
    assert header_in(data) == "MP3"
    assert header_in(b"ID3\x04\0\0\0\0\0\x10" + bytes(16) + data) == "MP3"


@pytest.mark.parametrize(("form", "kind"), [("adts", "AAC"), ("mp4", "MP4 or M4A"), ("webm", "WebM or Matroska")])
def test_what_ffmpeg_writes_is_known(form: str, kind: str, tmp_path: object) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    codec = "libopus" if form == "webm" else "aac"
    path = f"{tmp_path}/sound"
    command = ["ffmpeg", "-loglevel", "error", "-i", "-", "-c:a", codec, "-f", form, path]
    if subprocess.run(command, input=encoded("WAV"), check=False).returncode:
        pytest.skip(f"this ffmpeg has no {codec}")
    with open(path, "rb") as file:  # noqa: PTH123
        assert header_in(file.read()) == kind


@given(st.lists(st.integers(-(2**15), 2**15 - 1), max_size=3_000))
def test_samples_are_no_file(samples: list[int]) -> None:
    assert header_in(np.array(samples, "<i2").tobytes()) is None


def test_a_sample_that_looks_like_a_frame_is_decided_by_what_follows() -> None:
    data = np.full(8_000, -1_025, "<i2").tobytes()  # FF FB: how most MP3 frames begin
    assert is_undecided(data[:4])
    assert not is_undecided(data)
    assert header_in(data) is None

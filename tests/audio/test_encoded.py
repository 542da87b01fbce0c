"""Whole containers in memory: read as they are, or refused in one line."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from pengi_stream.audio.encoded import Container, container_of, decode_container
from pengi_stream.errors import AudioError

TONE = (0.3 * np.sin(np.arange(16_000) / 9)).astype(np.float32)


def encoded(container: str, samples: np.ndarray = TONE, rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=container.upper())
    return file.getvalue()


@pytest.mark.parametrize("container", ["wav", "flac", "ogg"])
def test_each_container_is_recognised_and_gives_its_samples(container: Container) -> None:
    data = encoded(container)
    assert container_of(data) == container
    samples, rate = decode_container(data, container, 10)
    assert (samples.shape, samples.dtype, rate) == ((16_000, 1), np.float32, 16_000)
    assert np.abs(samples[:, 0] - TONE).max() < (0.1 if container == "ogg" else 1e-4)


@pytest.mark.parametrize("container", ["wav", "flac", "ogg"])
@pytest.mark.parametrize("cut", [10, 0.5, 0.9])
def test_a_container_that_was_cut_is_refused(container: Container, cut: float) -> None:
    data = encoded(container)
    with pytest.raises(AudioError):
        decode_container(data[: int(cut if cut > 1 else cut * len(data))], container, 10)


def test_what_is_no_such_audio_too_long_or_empty_is_refused_by_name() -> None:
    cases = {
        "no wav audio": (b"\x00" * 1000, 10),
        "found flac audio, expected wav": (encoded("flac"), 10),
        "more than 0.5 s": (encoded("wav"), 0.5),
        "without samples": (encoded("wav", TONE[:0]), 10),
        "sample rate of 4000 Hz": (encoded("wav", rate=4_000), 10),
    }
    for words, (data, max_s) in cases.items():
        with pytest.raises(AudioError, match=words):
            decode_container(data, "wav", max_s)


def test_silence_that_would_unpack_to_hours_is_not_unpacked() -> None:
    hour = encoded("flac", np.zeros(8_000 * 3600, np.int16), 8_000)
    assert len(hour) < 200_000
    with pytest.raises(AudioError, match="more than 60 s"):
        decode_container(hour, "flac", 60)

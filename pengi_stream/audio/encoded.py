"""A whole WAV, FLAC or Ogg in memory to samples."""

from __future__ import annotations

import io
from typing import Literal

import soundfile

from pengi_stream.audio.decode import OGG_PAGE_BYTES, is_cut, is_short
from pengi_stream.audio.pcm import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE
from pengi_stream.errors import AudioError
from pengi_stream.types import Samples

Container = Literal["wav", "flac", "ogg"]
_FORMATS: dict[str, Container] = {"WAV": "wav", "WAVEX": "wav", "FLAC": "flac", "OGG": "ogg"}
_MAGIC: dict[bytes, Container] = {b"RIFF": "wav", b"fLaC": "flac", b"OggS": "ogg"}


def container_of(data: bytes) -> Container | None:
    """What `data` looks like."""
    return _MAGIC.get(data[:4])


def decode_container(data: bytes, container: Container, max_s: float) -> tuple[Samples, int]:
    """Samples (time, channels) and the sample rate in Hz.

    Raises AudioError where `data` is no such container, damaged, cut, of a strange sample rate, or longer than `max_s`
    seconds: as it says, and as it is.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            found, rate = _FORMATS.get(file.format, file.format), int(file.samplerate)
            if found != container:
                raise AudioError(f"found {found} audio, expected {container}")
            if not MIN_SAMPLE_RATE <= rate <= MAX_SAMPLE_RATE:
                raise AudioError(f"found a sample rate of {rate} Hz, expected {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE}")
            most = int(max_s * rate)
            samples: Samples = file.read(most + 1, dtype="float32", always_2d=True)
            short = is_short(len(samples), file.frames, file.subtype)
    except (soundfile.LibsndfileError, TypeError) as error:
        raise AudioError(f"found {len(data)} bytes that are no {container} audio, or damaged") from error
    if len(samples) > most:
        raise AudioError(f"found more than {max_s:g} s of audio, expected at most that")
    if len(samples) == 0:
        raise AudioError(f"found {container} audio without samples")
    if short or is_cut(data[:8], data[-OGG_PAGE_BYTES:], len(data)):
        raise AudioError(f"truncated: found {len(samples) / rate:.2f} s of {container} audio, expected more")
    return samples, rate

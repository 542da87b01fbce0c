"""Audio files to samples, in blocks, so that a long file needs no more memory than a short one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from pengi_stream.audio.pcm import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, to_mono
from pengi_stream.audio.resample import resample
from pengi_stream.audio.wav import is_unknown_length
from pengi_stream.errors import AudioError
from pengi_stream.types import Samples

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".w64", ".rf64", ".au")
UNKNOWN_LENGTH = 2**62  # libsndfile's answer where the container does not say
OGG_PAGE_BYTES = 65_307  # no page is longer
OGG_LAST_PAGE = 4


class _ForwardFile(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """Read from start to end. Where soundfile may seek it does so after each read, which distorts MP3 there."""

    def seekable(self) -> bool:
        return False


class AudioFile:
    """An audio file that is open for reading. Raises AudioError where it is none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _open(path)
        self.sample_rate = int(self._file.samplerate)
        """Hertz"""
        self.channels = int(self._file.channels)
        if not MIN_SAMPLE_RATE <= self.sample_rate <= MAX_SAMPLE_RATE:
            self.close()
            raise AudioError(
                f"{path}: found a sample rate of {self.sample_rate} Hz, "
                f"expected {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE}; resample it, for example with sox"
            )

    @property
    def duration_s(self) -> float:
        """As the container says; 0 where it does not."""
        frames = self._file.frames
        return 0.0 if frames >= UNKNOWN_LENGTH else frames / self.sample_rate

    def blocks(self, block_samples: int) -> Iterator[Samples]:
        """Blocks (time, channels), all but the last of `block_samples`.

        Raises AudioError behind the good part of a damaged or truncated file.
        """
        read = 0
        while True:
            try:
                block = self._file.read(block_samples, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise AudioError(f"{self._path}: damaged after {read / self.sample_rate:.2f} s: {error}") from error
            read += len(block)
            if len(block):
                yield block
            if len(block) < block_samples:
                break
        if read == 0:
            raise AudioError(f"{self._path}: holds no samples, or its writer was stopped before it could say how many")
        if read < self._file.frames < UNKNOWN_LENGTH or _is_cut(self._path):
            raise AudioError(f"{self._path}: truncated: it ends after {read / self.sample_rate:.2f} s, expected more")

    def close(self) -> None:
        self._file.close()


def duration_s(path: Path) -> float:
    """Seconds of audio, as the file's header says. Raises AudioError."""
    file = AudioFile(path)
    try:
        return file.duration_s
    finally:
        file.close()


def load_audio(path: Path, sample_rate: int) -> Samples:
    """A whole file, mono, at `sample_rate` Hz: (time,). Raises AudioError."""
    file = AudioFile(path)
    try:
        blocks = [to_mono(block) for block in file.blocks(file.sample_rate)]
    finally:
        file.close()
    return resample(np.concatenate(blocks), file.sample_rate, sample_rate) if blocks else np.zeros(0, np.float32)


def is_cut(head: bytes, tail: bytes, size: int) -> bool:
    """A container of `size` bytes that ends too early; libsndfile reads these as if they were whole.

    `head` are its first 8 bytes or more, `tail` its last OGG_PAGE_BYTES.
    """
    match head[:4]:
        case b"RIFF":
            promised = int.from_bytes(head[4:8], "little")
            return not is_unknown_length(promised) and size < promised + 8
        case b"FORM":
            return size < int.from_bytes(head[4:8], "big") + 8
        case b"OggS":
            flags = tail.rfind(b"OggS") + 5
            return flags >= len(tail) or not tail[flags] & OGG_LAST_PAGE
    return False


def _is_cut(path: Path) -> bool:
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        file.seek(max(0, size - OGG_PAGE_BYTES))
        return is_cut(head, file.read(), size)


def _open(path: Path) -> _ForwardFile:
    try:
        if path.is_dir():
            raise AudioError(f"{path}: the folder holds no audio file, expected {', '.join(SUFFIXES)}")
        if path.stat().st_size == 0:
            raise AudioError(f"{path}: the file is empty")
        return _ForwardFile(path)
    except FileNotFoundError as error:
        raise AudioError(f"{path}: there is no such file") from error
    except OSError as error:
        raise AudioError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: a suffix that promises no header
        raise AudioError(f"{path}: is no audio that can be read; use wav, flac, ogg or mp3") from error

"""Audio files to samples, in blocks, so that a long file needs no more memory than a short one."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from pengi_stream.audio.headers import FOREIGN_KINDS, SURE_BYTES, header_in
from pengi_stream.audio.pcm import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, to_mono
from pengi_stream.audio.resample import resample
from pengi_stream.audio.wav import is_unknown_length
from pengi_stream.errors import AudioError
from pengi_stream.types import Samples

SUFFIXES = (
    ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".aif", ".aiff", ".aifc", ".w64", ".rf64",
    ".au", ".snd", ".caf", ".gsm", ".voc",
)  # fmt: skip
"""Of files that are read; others are tried where they are named"""
FOREIGN_SUFFIXES = (
    ".m4a", ".m4b", ".mp4", ".aac", ".webm", ".mkv", ".mka", ".mov", ".wma", ".amr", ".3gp", ".ac3", ".avi", ".wv",
    ".ape",
)  # fmt: skip
"""Of files that hold sound which ffmpeg reads, and we don't"""
UNKNOWN_LENGTH = 2**62  # libsndfile's answer where the container does not say
OGG_PAGE_BYTES = 65_307  # no page is longer
OGG_LAST_PAGE = 4
LOSSY_SUBTYPES = ("VORBIS", "OPUS", "MPEG_LAYER")
LOSSY_BLOCK_SAMPLES = 8_192  # the longest that Vorbis codes at once; Opus and MPEG have shorter ones


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
        if is_short(read, self._file.frames, self._file.subtype) or _is_cut(self._path):
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


def is_short(read: int, promised: int, subtype: str) -> bool:
    """Whether fewer samples came than `promised`; decoders of lossy audio end within its last block as they like."""
    spare = LOSSY_BLOCK_SAMPLES if subtype.startswith(LOSSY_SUBTYPES) else 0
    return read + spare < promised < UNKNOWN_LENGTH


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
        _check_kind(path)
        with path.open("rb") as file:
            head = file.read(SURE_BYTES)
        if not head:
            raise AudioError(f"{path}: the file is empty")
    except FileNotFoundError as error:
        raise AudioError(f"{path}: there is no such file") from error
    except PermissionError as error:
        raise AudioError(f"{path}: permission denied; make it readable for the user that runs this") from error
    except OSError as error:
        raise AudioError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        return _ForwardFile(os.fsencode(path))  # any name, in any locale
    except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: a suffix that promises no header
        raise AudioError(f"{path}: {_unreadable(path, head)}") from error


def _check_kind(path: Path) -> None:
    """Raises AudioError where `path` is no file, OSError where it cannot be looked at."""
    if path.is_dir():
        next(path.iterdir(), None)  # PermissionError
        raise AudioError(f"{path}: the folder holds no audio file, expected {', '.join(SUFFIXES)}")
    if not stat.S_ISREG(path.stat().st_mode):
        raise AudioError(f"{path}: is a pipe or a device, expected a file; for these there is the source `pipe`")


def _unreadable(path: Path, head: bytes) -> str:
    kind = header_in(head)
    if kind in FOREIGN_KINDS or (kind is None and path.suffix.lower() in FOREIGN_SUFFIXES):
        named = (shlex.quote(str(each)) for each in (path, path.with_suffix(".wav")))
        return f"is {kind or path.suffix[1:]}, which is not read; make a WAV of it: ffmpeg -i {' '.join(named)}"
    return "is no audio that can be read; use wav, flac, ogg or mp3"

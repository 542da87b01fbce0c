"""The header of a WAV that is still being written, which no file library reads."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pydantic import ValidationError

from pengi_stream.audio.pcm import AudioFormat, Encoding
from pengi_stream.errors import AudioError

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
ENCODINGS: dict[tuple[int, int], Encoding] = {
    (PCM, 8): "u8",
    (PCM, 16): "s16le",
    (PCM, 24): "s24le",
    (PCM, 32): "s32le",
    (FLOAT, 32): "f32le",
}
UNKNOWN_NEAR = (1 << 31, 1 << 32)  # writers to pipes put 0, or about one of these: arecord 2 GiB exactly
UNKNOWN_MARGIN = 1 << 16


@dataclass(frozen=True, slots=True)
class WavHeader:
    """What stands before the samples."""

    audio: AudioFormat
    data_bytes: int | None
    """None: until the end of the stream"""


def is_unknown_length(size: int) -> bool:
    """Whether a size in bytes was written by someone who could not know it."""
    return size == 0 or any(abs(size - limit) <= UNKNOWN_MARGIN for limit in UNKNOWN_NEAR)


def parse_wav_header(data: bytes | bytearray) -> tuple[WavHeader, int] | None:
    """The header at the start of `data`, and its length in bytes; None: more bytes are needed.

    Raises AudioError where it is no WAV, or one of an encoding that is not read.
    """
    if not b"RIFF".startswith(bytes(data[:4])) and bytes(data[:4]) != b"RIFF":
        raise AudioError(f"found the bytes {bytes(data[:4])!r}, expected a WAV header (RIFF)")
    if len(data) < 12:
        return None
    if data[8:12] != b"WAVE":
        raise AudioError(f"found a RIFF file of kind {bytes(data[8:12])!r}, expected WAVE")
    place, audio = 12, None
    while len(data) >= place + 8:
        name, size = struct.unpack_from("<4sI", data, place)
        place += 8
        if name == b"data":
            if audio is None:
                raise AudioError("found a WAV whose samples come before their format")
            return WavHeader(audio, None if is_unknown_length(size) else size), place
        if len(data) < place + size:
            return None
        if name == b"fmt ":
            audio = _format(bytes(data[place : place + size]))
        place += size + size % 2
    return None


def _format(chunk: bytes) -> AudioFormat:
    if len(chunk) < 16:
        raise AudioError(f"found a WAV format of {len(chunk)} bytes, expected at least 16")
    tag, channels, sample_rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == EXTENSIBLE and len(chunk) >= 26:
        (tag,) = struct.unpack_from("<H", chunk, 24)
    encoding = ENCODINGS.get((tag, bits))
    if encoding is None:
        raise AudioError(f"found WAV audio of format {tag} with {bits} bits, expected PCM of 8, 16, 24, 32 or float 32")
    try:
        return AudioFormat(encoding=encoding, sample_rate=sample_rate, channels=channels)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise AudioError(f"WAV {problem['loc'][0]} {problem['input']}: {problem['msg']}") from error

"""Raw PCM <-> float samples."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from pengi_stream.errors import AudioError
from pengi_stream.plugins import FrozenModel
from pengi_stream.types import Samples

Encoding = Literal["u8", "s16le", "s16be", "s24le", "s32le", "f32le"]

MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 8_000, 192_000  # Hz
LOUDEST = 32.0
"""Floats go a little beyond 1 where a recording was too loud; 30 dB beyond, they are integers under another name"""
_DTYPES: dict[Encoding, str] = {"u8": "u1", "s16le": "<i2", "s16be": ">i2", "s32le": "<i4", "f32le": "<f4"}
_BYTES: dict[Encoding, int] = {"u8": 1, "s16le": 2, "s16be": 2, "s24le": 3, "s32le": 4, "f32le": 4}


class AudioFormat(FrozenModel):
    """How raw audio is encoded; the same words in every source."""

    encoding: Encoding
    sample_rate: int = Field(ge=MIN_SAMPLE_RATE, le=MAX_SAMPLE_RATE)
    """Hertz"""
    channels: int = Field(default=1, ge=1, le=256)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels"""
        return _BYTES[self.encoding] * self.channels


def decode_pcm(data: bytes | bytearray | memoryview, audio: AudioFormat) -> Samples:
    """Samples (time, channels) in [-1, 1); floats as they are. Raises AudioError where `data` ends within a sample."""
    if len(data) % audio.frame_bytes:
        raise AudioError(
            f"found {len(data)} bytes of {audio.encoding} with {audio.channels} channel(s), "
            f"expected a multiple of {audio.frame_bytes}"
        )
    return _to_float(data, audio.encoding).reshape(-1, audio.channels)


def to_mono(samples: Samples) -> Samples:
    """The mean of the channels: (time, channels) -> (time,)."""
    if samples.shape[1] == 1:
        return samples[:, 0]
    mono: Samples = samples.mean(axis=1, dtype=np.float32)
    return mono


def _to_float(data: bytes | bytearray | memoryview, encoding: Encoding) -> Samples:
    if encoding == "s24le":
        low, middle, high = np.frombuffer(data, np.uint8).reshape(-1, 3).astype(np.int32).T
        integers = (low | middle << 8 | high << 16) << 8  # the sign lies in the highest byte
        return (integers / np.float32(2**31)).astype(np.float32)
    values = np.frombuffer(data, _DTYPES[encoding])
    match encoding:
        case "f32le":
            return values.astype(np.float32)
        case "u8":
            return (values.astype(np.float32) - 128) / np.float32(2**7)
        case "s16le" | "s16be":
            return values.astype(np.float32) / np.float32(2**15)
        case _:
            return (values / np.float64(2**31)).astype(np.float32)

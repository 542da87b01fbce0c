"""Samples of a window <-> FLAC of 24 or 16 bits, or 16-bit PCM."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
import soundfile

from pengi_stream.audio.encoded import decode_container
from pengi_stream.errors import AudioError
from pengi_stream.types import Samples

Encoding = Literal["flac", "flac16", "l16"]

FLAC = "audio/flac"
BITS: dict[Encoding, int] = {"flac": 24, "flac16": 16, "l16": 16}
FULL_SCALE = 2**15
FLAC_HEADER_BYTES = 16_384  # more than FLAC adds to sound that it cannot make smaller


def content_type(encoding: Encoding, sample_rate: int) -> str:
    """As in RFC 2586: L16 has its most significant byte first."""
    return f"audio/L16;rate={sample_rate};channels=1" if encoding == "l16" else FLAC


def encode(samples: Samples, sample_rate: int, encoding: Encoding) -> bytes:
    """`samples` (time,) rounded to 24 or 16 bits, so off by 2**-24 or 2**-16 at most, and clipped to [-1, 1)."""
    full_scale = 2 ** (BITS[encoding] - 1)
    steps = np.clip(np.rint(samples * np.float32(full_scale)), -full_scale, full_scale - 1).astype(np.int32)
    if encoding == "l16":
        pcm: bytes = steps.astype(">i2").tobytes()
        return pcm
    out = io.BytesIO()
    subtype = f"PCM_{BITS[encoding]}"
    soundfile.write(out, steps << (32 - BITS[encoding]), sample_rate, format="FLAC", subtype=subtype)
    return out.getvalue()


def decode(value: bytes, kind: str, sample_rate: int, count: int) -> Samples:
    """`count` samples (time,) of the content type `kind`. Raises AudioError where `value` is something else."""
    if kind == FLAC:
        samples, found_rate = decode_container(value, "flac", (count + 0.5) / sample_rate)
        if samples.shape != (count, 1) or found_rate != sample_rate:
            found = f"{len(samples)} samples of {samples.shape[1]} channel(s) at {found_rate} Hz"
            raise AudioError(f"found FLAC with {found}, expected {count} of one channel at {sample_rate} Hz")
        return samples[:, 0]
    if kind != (expected := content_type("l16", sample_rate)):
        raise AudioError(f"header content-type: found {kind!r}, expected {expected} or {FLAC}")
    if len(value) != 2 * count:
        raise AudioError(f"found {len(value)} bytes of 16-bit samples, expected {2 * count}")
    return np.frombuffer(value, ">i2").astype(np.float32) / np.float32(FULL_SCALE)


def most_bytes(count: int, encoding: Encoding) -> int:
    """Bytes that `count` samples may take."""
    return BITS[encoding] // 8 * count + FLAC_HEADER_BYTES

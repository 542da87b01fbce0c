"""The value and headers of a Kafka record -> samples. No Kafka client, no thread, no clock."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pydantic import ValidationError

from pengi_stream.audio.encoded import Container, container_of, decode_container
from pengi_stream.audio.pcm import AudioFormat, decode_pcm
from pengi_stream.clock import parse_rfc3339
from pengi_stream.errors import AudioError
from pengi_stream.types import Samples

Headers = tuple[tuple[str, bytes], ...]

CONTAINERS: dict[str, Container] = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/vnd.wave": "wav",
    "audio/flac": "flac",
    "audio/x-flac": "flac",
    "audio/ogg": "ogg",
    "application/ogg": "ogg",
}
L16 = "audio/l16"
END_NS = parse_rfc3339("2200-01-01T00:00:00Z")  # 64 bits hold the times of what follows until 2262
PARAMETER = re.compile(r'\s*([^=\s]+)\s*=\s*"?([^"\s]*)"?\s*')


@dataclass(frozen=True, slots=True, eq=False)
class RecordAudio:
    """What a record holds."""

    samples: Samples  # (time, channels)
    sample_rate: int
    """Hertz"""
    first_sample: int | None
    """As the producer counts, at its rate"""
    captured_ns: int | None
    """UTC of the first sample, as the producer says"""


def read_audio(value: bytes, headers: Headers, default: AudioFormat | None, max_s: float) -> RecordAudio:
    """`default` describes raw PCM without a content type. Raises AudioError: what was found, what was expected."""
    texts = _texts(headers)
    if not value:
        raise AudioError("the record is empty; expected audio, or a null value where the stream ends")
    samples, rate = _decode(value, texts.get("content-type"), default, max_s)
    bad = len(samples) - int(np.count_nonzero(np.isfinite(samples).all(axis=1)))
    if bad:
        raise AudioError(f"found NaN or infinity in {bad} of {len(samples)} samples, expected finite audio")
    return RecordAudio(samples, rate, _first_sample(texts), _captured_ns(texts))


def read_times(headers: Headers) -> tuple[int | None, int | None]:
    """Its `first-sample`, and its `captured-at` in nanoseconds since 1970. Raises AudioError."""
    texts = _texts(headers)
    return _first_sample(texts), _captured_ns(texts)


def _texts(headers: Headers) -> Mapping[str, str]:
    """The headers that we know of; the last of each name counts."""
    known = {}
    for name, value in headers:
        if name.lower() in {"content-type", "first-sample", "captured-at"}:
            try:
                known[name.lower()] = value.decode("ascii").strip()
            except UnicodeDecodeError as error:
                raise AudioError(f"header {name}: found {value[:40]!r}, expected plain text") from error
    return known


def _decode(value: bytes, content_type: str | None, default: AudioFormat | None, max_s: float) -> tuple[Samples, int]:
    if content_type is None:
        if (container := container_of(value)) is not None:
            return decode_container(value, container, max_s)
        if default is None:
            raise AudioError(
                "the record has no header content-type and is no WAV, FLAC or Ogg; "
                "say what raw audio is: `audio: {encoding: ..., sample_rate: ...}`"
            )
        return _pcm(value, default, max_s)
    kind, *parameters = content_type.split(";")
    kind = kind.strip().lower()
    if kind in CONTAINERS:
        return decode_container(value, CONTAINERS[kind], max_s)
    if kind == L16:
        return _pcm(value, _l16(content_type, parameters), max_s)
    raise AudioError(
        f"header content-type: found {content_type!r}, expected audio/L16;rate=..., audio/wav, flac or ogg"
    )


def _l16(content_type: str, parameters: list[str]) -> AudioFormat:
    """RFC 2586: 16 bits, most significant byte first."""
    found = [PARAMETER.fullmatch(parameter) for parameter in parameters if parameter.strip()]
    named = {match[1].lower(): match[2] for match in found if match}
    expected = "expected audio/L16;rate=44100;channels=1, with a rate from 8000 to 192000"
    try:
        return AudioFormat.model_validate(
            {"encoding": "s16be", "sample_rate": int(named["rate"]), "channels": int(named.get("channels", "1"))}
        )
    except (KeyError, ValueError, ValidationError) as error:
        raise AudioError(f"header content-type: found {content_type!r}, {expected}") from error


def _pcm(value: bytes, audio: AudioFormat, max_s: float) -> tuple[Samples, int]:
    seconds = len(value) / audio.frame_bytes / audio.sample_rate
    if seconds > max_s:
        raise AudioError(f"found {seconds:.1f} s of audio ({len(value)} bytes), expected at most {max_s:g} s")
    return decode_pcm(value, audio), audio.sample_rate


def _first_sample(texts: Mapping[str, str]) -> int | None:
    text = texts.get("first-sample")
    if text is None:
        return None
    if not (text.isdigit() and len(text) < 19):
        raise AudioError(f"header first-sample: found {text!r}, expected the number of the first sample, from 0")
    return int(text)


def _captured_ns(texts: Mapping[str, str]) -> int | None:
    text = texts.get("captured-at")
    if text is None:
        return None
    try:
        captured_ns = parse_rfc3339(text)
    except ValueError as error:
        raise AudioError(f"header captured-at: found {text!r}, expected a time like 2026-01-31T12:00:00Z") from error
    if not 0 <= captured_ns < END_NS:
        raise AudioError(f"header captured-at: found {text!r}, expected a time from 1970 to 2199")
    return captured_ns

"""What is kept of a partition, with its offset: small, in the offset's metadata; else a record a stream beside it."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgpack

VERSION = 2
WHOLE = f"pengi-stream/{VERSION}:"
REFERENCE = f"pengi-stream/{VERSION}@"
MOST_BYTES = 4096  # that a broker keeps with an offset, unless told otherwise


class StateError(Exception):
    """What was not written by us, or is damaged."""


@dataclass(frozen=True, slots=True)
class Kept:
    """With it, and the records from its offset on, another worker goes on as if nothing had happened."""

    head: bytes = b""
    """Of the partition as a whole"""
    streams: Mapping[bytes, bytes] = field(default_factory=dict)
    """Of each stream, by its key"""


@dataclass(frozen=True, slots=True)
class Reference:
    """What an offset's metadata says where the streams are kept beside it."""

    token: str
    """Of the worker that wrote them, while it had the partition"""
    epoch: int
    """Of its commits; records of later ones were never committed"""
    streams: int
    """How many there are"""
    head: bytes


def pack(value: object) -> bytes:
    """Plain values and bytes, as few bytes."""
    packed: bytes = msgpack.packb(value, unicode_errors="surrogatepass")
    return packed


def unpack(data: bytes) -> Any:
    """What `pack` was given; lists are tuples. Raises StateError."""
    try:
        return msgpack.unpackb(data, use_list=False, unicode_errors="surrogatepass", strict_map_key=False)
    except (ValueError, msgpack.UnpackException) as error:
        raise StateError(f"damaged state {data[:40]!r}") from error


def whole_text(kept: Kept) -> str:
    """All of `kept` as printable text; empty where there is nothing."""
    if not (kept.head or kept.streams):
        return ""
    return WHOLE + _printable(pack([kept.head, list(kept.streams.items())]))


def reference_text(reference: Reference) -> str:
    """`reference` as printable text."""
    return REFERENCE + _printable(pack([reference.token, reference.epoch, reference.streams, reference.head]))


def read_text(text: str) -> Kept | Reference:
    """What an offset's metadata says. Raises StateError."""
    if not text:
        return Kept()
    if text.startswith(WHOLE):
        head, streams = _fields(text.removeprefix(WHOLE), 2)
        return Kept(head, dict(streams))
    if text.startswith(REFERENCE):
        return Reference(*_fields(text.removeprefix(REFERENCE), 4))
    raise StateError(f"found {text[:40]!r}, expected {WHOLE}...")


def _printable(data: bytes) -> str:
    return base64.b85encode(zlib.compress(data, 9)).decode()


def _fields(text: str, count: int) -> tuple[Any, ...]:
    try:
        found = unpack(zlib.decompress(base64.b85decode(text)))
    except (ValueError, zlib.error, binascii.Error) as error:
        raise StateError(f"damaged state {text[:40]!r}") from error
    if not (isinstance(found, tuple) and len(found) == count):
        raise StateError(f"damaged state {text[:40]!r}, expected {count} fields")
    return found

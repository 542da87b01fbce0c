"""Who is in a cluster, as one broker tells it."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from pengi_stream.kafka.client.probe import HungUpError, Probe

METADATA, VERSION = 3, 2
NO_TOPICS = struct.pack(">i", 0)


@dataclass(frozen=True, slots=True)
class Members:
    """A cluster."""

    id: str
    addresses: Sequence[str]
    """`host:port` that the brokers give themselves"""


class LoginWantedError(HungUpError):
    """The listener hung up on us, who have not logged in: it wants that, or its broker went down just now."""


def ask_members(probe: Probe, protocol: str) -> Members:
    """Raises LoginWantedError where the listener hangs up on those that have not logged in."""
    try:
        body = _Body(probe.call(METADATA, VERSION, NO_TOPICS))
    except HungUpError as error:
        if protocol.startswith("SASL_"):
            raise
        expected = "SASL_SSL" if protocol == "SSL" else "SASL_PLAINTEXT"
        raise LoginWantedError(
            f"{probe.server}: the listener perhaps wants a login; protocol is {protocol}, expected {expected}"
        ) from error
    addresses = []
    for _ in range(body.number()):
        body.number()
        host, port = body.text(), body.number()
        body.text()
        addresses.append(f"{host}:{port}")
    return Members(body.text(), addresses)


class _Body:
    """Numbers of 32 bits and texts, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self) -> int:
        (found,) = struct.unpack_from(">i", self._data, self._at)
        self._at += 4
        return int(found)

    def text(self) -> str:
        (size,) = struct.unpack_from(">h", self._data, self._at)
        begin = self._at + 2
        self._at = begin + max(0, size)
        return self._data[begin : self._at].decode()

"""Logs in at a broker by SASL, and says why it was refused."""

from __future__ import annotations

import struct

from kafka.net.sasl import get_sasl_mechanism
from kafka.net.sasl.oauth import AbstractTokenProvider

from pengi_stream.errors import BrokerError
from pengi_stream.kafka.client.probe import Probe
from pengi_stream.kafka.security import SecurityConfig, Token

SASL_HANDSHAKE, SASL_AUTHENTICATE = 17, 36
NO_ERROR, UNSUPPORTED_MECHANISM, NOT_NOW, REFUSED = 0, 33, 34, 58


def log_in(probe: Probe, security: SecurityConfig) -> None:
    """Raises BrokerError: the listener wants no login, offers other mechanisms, or refuses the credentials."""
    name = security.mechanism
    assert name is not None
    _agree(probe, name, security.protocol)
    mechanism = get_sasl_mechanism(name)(host=probe.host, **security.client_options())
    while not mechanism.is_done():
        try:
            mechanism.receive(_authenticate(probe, mechanism.auth_bytes(), security))
        except ValueError as error:  # the library's word for an answer that does not fit
            raise BrokerError(f"{probe.server}: login by {name} failed: {error}") from error


def _agree(probe: Probe, name: str, protocol: str) -> None:
    encoded = name.encode()
    body = probe.call(SASL_HANDSHAKE, 1, struct.pack(">h", len(encoded)) + encoded)
    code, count = struct.unpack_from(">hi", body)
    if code == NOT_NOW:
        other = protocol.removeprefix("SASL_")
        raise BrokerError(f"{probe.server}: the listener takes no login; protocol is {protocol}, expected {other}")
    if code == UNSUPPORTED_MECHANISM:
        offered = ", ".join(_strings(body, 6, count))
        raise BrokerError(f"{probe.server}: the broker does not offer mechanism {name}; it offers {offered}")
    if code != NO_ERROR:
        raise BrokerError(f"{probe.server}: the broker refused mechanism {name} with error {code}")


def _authenticate(probe: Probe, message: bytes, security: SecurityConfig) -> bytes:
    body = probe.call(SASL_AUTHENTICATE, 0, struct.pack(">i", len(message)) + message)
    (code,) = struct.unpack_from(">h", body)
    (length,) = struct.unpack_from(">h", body, 2)
    at = 4 + max(0, length)
    if code == NO_ERROR:
        (size,) = struct.unpack_from(">i", body, at)
        return body[at + 4 : at + 4 + max(0, size)]
    said = body[4:at].decode("utf-8", "replace")
    who = "the token" if security.token is not None else f"user {security.username!r} or its password"
    raise BrokerError(f"{probe.server}: the broker refused {who} by {security.mechanism}: {said or f'error {code}'}")


def _strings(body: bytes, at: int, count: int) -> list[str]:
    found = []
    for _ in range(count):
        (size,) = struct.unpack_from(">h", body, at)
        found.append(body[at + 2 : at + 2 + size].decode())
        at += 2 + size
    return found


class _Provider(AbstractTokenProvider):  # type: ignore[misc]  # kafka-python has no types
    def __init__(self, token: Token) -> None:
        super().__init__()
        self._token = token

    def token(self) -> str:
        return self._token.read()


def token_provider(token: Token) -> AbstractTokenProvider:
    """Gives `token` as it is at each connection."""
    return _Provider(token)

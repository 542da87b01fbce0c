"""Tokens of OAUTHBEARER for kafka-python."""

from __future__ import annotations

from kafka.net.sasl.oauth import AbstractTokenProvider

from pengi_stream.broker.security import Token


class _Provider(AbstractTokenProvider):  # type: ignore[misc]  # kafka-python has no types
    def __init__(self, token: Token) -> None:
        super().__init__()
        self._token = token

    def token(self) -> str:
        return self._token.read()


def token_provider(token: Token) -> AbstractTokenProvider:
    """Gives `token` as it is at each connection."""
    return _Provider(token)

"""How to prove to a broker who we are, and to check who it is."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, SecretStr, model_validator

from pengi_stream.errors import BrokerError, ConfigError
from pengi_stream.plugins import FrozenModel, Secret

T = TypeVar("T")
Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]


class Token(FrozenModel):
    """A secret that is read again on each use, so that a rotated one takes effect; one of the three."""

    value: SecretStr | None = None
    env: str | None = None
    file: Path | None = None

    @model_validator(mode="after")
    def _check(self) -> Token:
        if [self.value, self.env, self.file].count(None) != 2:
            raise ValueError("a token is a string, {env: NAME} or {file: PATH}")
        try:
            self.read()
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return self

    def read(self) -> str:
        """The token as it is now. Raises ConfigError where it is not there."""
        if self.value is not None:
            return self.value.get_secret_value()
        if self.env is not None:
            if self.env not in os.environ:
                raise ConfigError(f"environment variable {self.env} is not set; it should hold the token")
            return os.environ[self.env]
        assert self.file is not None
        try:
            return self.file.read_text().strip()
        except OSError as error:
            raise ConfigError(f"token file {self.file} cannot be read: {error.strerror}") from error


RotatingSecret = Annotated[Token, BeforeValidator(lambda found: {"value": found} if isinstance(found, str) else found)]


class SecurityConfig(FrozenModel):
    """The listener's protocol, our credentials, and whom we trust."""

    protocol: Protocol = "PLAINTEXT"
    mechanism: Mechanism | None = None
    """Of SASL"""
    username: str | None = None
    """For PLAIN and SCRAM"""
    password: Secret | None = None
    ca_file: Path | None = None
    """PEM file of the authority that signed the broker's certificate; default: those that the system trusts"""
    cert_file: Path | None = None
    """PEM file of our own certificate, where the broker wants one"""
    key_file: Path | None = None
    """Its private key; default: within cert_file"""
    key_password: Secret | None = None
    token: RotatingSecret | None = None
    """For OAUTHBEARER; a file is read again for each connection"""

    @property
    def tls(self) -> bool:
        return self.protocol in {"SSL", "SASL_SSL"}

    @property
    def sasl(self) -> bool:
        return self.protocol in {"SASL_PLAINTEXT", "SASL_SSL"}

    @model_validator(mode="after")
    def _check(self) -> SecurityConfig:
        wanted = self._wanted()
        missing = sorted(key for key in wanted if getattr(self, key) is None)
        if missing:
            raise ValueError(f"{self._means()} needs {', '.join(f'`{key}`' for key in missing)}")
        possible = wanted | {"protocol"}
        if self.tls:
            possible |= {"ca_file", "cert_file"} | ({"key_file", "key_password"} if self.cert_file else set())
        for key in sorted(self.model_fields_set - possible):
            if getattr(self, key) is not None:
                raise ValueError(f"`{key}` means nothing with {self._means()}; {self._advice(key)}")
        for key in ("ca_file", "cert_file", "key_file"):
            path: Path | None = getattr(self, key)
            if path is not None and not path.is_file():
                raise ValueError(f"`{key}`: there is no file {path}; expected one in PEM form")
        return self

    def _wanted(self) -> set[str]:
        if not self.sasl:
            return set()
        if self.mechanism == "OAUTHBEARER":
            return {"mechanism", "token"}
        return {"mechanism"} if self.mechanism is None else {"mechanism", "username", "password"}

    def _means(self) -> str:
        return f"protocol {self.protocol}" + (f" and mechanism {self.mechanism}" if self.mechanism else "")

    def _advice(self, key: str) -> str:
        if key in {"key_file", "key_password"} and self.tls:
            return "it belongs to a `cert_file`"
        if key in {"ca_file", "cert_file", "key_file", "key_password"}:
            return "use protocol SSL or SASL_SSL"
        return "use OAUTHBEARER, PLAIN or SCRAM to match" if self.sasl else "use protocol SASL_PLAINTEXT or SASL_SSL"

    def ssl_context(self) -> ssl.SSLContext | None:
        """Trust and certificate for TLS; None without. Raises BrokerError where a file is not what it should be."""
        if not self.tls:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.ca_file is None:
            context.load_default_certs()
        else:
            _read_pem(self.ca_file, "ca_file", lambda: context.load_verify_locations(self.ca_file))
        if self.cert_file is not None:
            self._show(context, self.cert_file)
        return context

    def _show(self, context: ssl.SSLContext, cert_file: Path) -> None:
        password = "" if self.key_password is None else self.key_password.get_secret_value()
        key_file = self.key_file or cert_file
        locked = _read_pem(key_file, "key_file", key_file.read_bytes).find(b"ENCRYPTED") >= 0
        try:
            _read_pem(cert_file, "cert_file", lambda: context.load_cert_chain(cert_file, key_file, lambda: password))
        except BrokerError as error:
            if locked:
                raise BrokerError(f"security.key_password does not open the key in {key_file}") from error
            raise

    def client_options(self) -> dict[str, Any]:
        """Keyword arguments for every client of kafka-python. Raises BrokerError."""
        options: dict[str, Any] = {"security_protocol": self.protocol, "ssl_context": self.ssl_context()}
        if self.token is not None:
            from pengi_stream.kafka.client.login import token_provider

            options |= {"sasl_mechanism": self.mechanism, "sasl_oauth_token_provider": token_provider(self.token)}
        elif self.password is not None and self.sasl:
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password.get_secret_value(),
            }
        return options


def _read_pem(path: Path, key: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).lower().replace("_", " ")
        if "mismatch" in reason:
            raise BrokerError(f"security.{key} {path}: does not belong together with security.key_file") from error
        raise BrokerError(f"security.{key} {path}: is no PEM file of what it should hold ({reason})") from error
    except OSError as error:
        raise BrokerError(f"security.{key} {path}: cannot be read: {error.strerror}") from error

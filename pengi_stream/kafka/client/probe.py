"""Knocks at one broker's door step by step, so that what fails has a name: address, port, TLS, Kafka, login.

kafka-python retries whatever happens and gives no reason; these few bytes of Kafka's protocol are spoken here instead.
"""

from __future__ import annotations

import socket
import ssl
import struct
from types import TracebackType

from pengi_stream.clock import Deadline
from pengi_stream.errors import BrokerError
from pengi_stream.kafka.config import split_address
from pengi_stream.kafka.security import SecurityConfig

RETRY_S = 1.0
API_VERSIONS = 18
LARGEST_ANSWER = 1_000_000
TLS_ALERT = 0x15


class UnreachableError(BrokerError):
    """Nobody is there now: a broker may come back."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retry_after_s=RETRY_S)


class HungUpError(UnreachableError):
    """The broker closed the connection: it is going down, or did not like what we said."""


class Probe:
    """One connection to one broker. Raises BrokerError, naming the step that failed."""

    def __init__(self, server: str, security: SecurityConfig, deadline: Deadline) -> None:
        self.server = server
        self._security = security
        self._deadline = deadline
        try:
            self.host, port = split_address(server)
        except ValueError as error:
            raise BrokerError(f"bootstrap_servers: {error}") from error
        plain = self._connect(port)
        try:
            self._socket = self._encrypt(plain) if security.tls else plain
            self._greet()
        except BaseException:
            plain.close()
            raise

    def __enter__(self) -> Probe:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def call(self, api_key: int, version: int, payload: bytes) -> bytes:
        """Send one request and return the body of its answer."""
        header = struct.pack(">hhih", api_key, version, api_key, -1)
        try:
            self._socket.settimeout(max(0.1, self._deadline.remaining_s()))
            self._socket.sendall(struct.pack(">i", len(header) + len(payload)) + header + payload)
            first = self._read(4)
            size = int.from_bytes(first, "big")
            if not 4 <= size <= LARGEST_ANSWER:
                raise BrokerError(self._strange(first))
            return self._read(size)[4:]
        except ssl.SSLError as error:
            raise BrokerError(self._tls_trouble(error)) from error
        except TimeoutError as error:
            raise UnreachableError(f"{self.server}: the broker took the connection, but does not answer") from error
        except OSError as error:
            raise HungUpError(self._hung_up()) from error

    def _read(self, n: int) -> bytes:
        found = b""
        while len(found) < n:
            piece = self._socket.recv(n - len(found))
            if not piece:
                raise ConnectionResetError("closed")
            found += piece
        return found

    def _connect(self, port: int) -> socket.socket:
        try:
            return socket.create_connection((self.host, port), timeout=max(0.1, self._deadline.remaining_s()))
        except socket.gaierror as error:
            raise UnreachableError(f"{self.server}: unknown host {self.host!r}; check bootstrap_servers") from error
        except ConnectionRefusedError as error:
            raise UnreachableError(f"{self.server}: connection refused; is a broker running there?") from error
        except TimeoutError as error:
            raise UnreachableError(f"{self.server}: no answer; is a firewall between us?") from error
        except OSError as error:
            raise UnreachableError(f"{self.server}: cannot connect: {error.strerror}") from error

    def _encrypt(self, plain: socket.socket) -> socket.socket:
        context = self._security.ssl_context()
        assert context is not None
        try:
            return context.wrap_socket(plain, server_hostname=self.host)
        except ssl.SSLError as error:
            raise BrokerError(self._tls_trouble(error)) from error
        except TimeoutError as error:
            raise UnreachableError(f"{self.server}: no answer to the TLS handshake") from error
        except OSError as error:
            raise BrokerError(self._no_tls()) from error

    def _greet(self) -> None:
        self.call(API_VERSIONS, 0, b"")

    def _tls_trouble(self, error: ssl.SSLError) -> str:
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"{self.server}: {self._untrusted(error)}"
        reason = (error.reason or "").lower()
        if "certificate" in reason or "unknown_ca" in reason or "handshake_failure" in reason:
            if self._security.cert_file is None:
                return f"{self.server}: the broker wants a certificate of ours; give security.cert_file and key_file"
            return f"{self.server}: the broker does not trust the certificate in security.cert_file"
        if "wrong_version" in reason or "record_layer" in reason or isinstance(error, ssl.SSLEOFError):
            return self._no_tls()
        return f"{self.server}: TLS failed: {reason.replace('_', ' ') or error}"

    def _untrusted(self, error: ssl.SSLCertVerificationError) -> str:
        if "hostname" in error.verify_message.lower() or "ip address" in error.verify_message.lower():
            return f"the broker's certificate is for another host ({error.verify_message})"
        whom = self._security.ca_file or "the system's authorities"
        return f"the broker's certificate is not trusted ({error.verify_message}); checked against {whom}"

    def _no_tls(self) -> str:
        other = "SASL_PLAINTEXT" if self._security.sasl else "PLAINTEXT"
        return f"{self.server}: speaks no TLS; protocol is {self._security.protocol}, the listener is probably {other}"

    def _strange(self, first: bytes) -> str:
        if first[0] == TLS_ALERT:
            return self._wants_tls()
        return f"{self.server}: answers with {first!r}, which is no Kafka; check the port"

    def _wants_tls(self) -> str:
        other = "SASL_SSL" if self._security.sasl else "SSL"
        return f"{self.server}: speaks TLS; protocol is {self._security.protocol}, the listener is probably {other}"

    def _hung_up(self) -> str:
        protocol = self._security.protocol
        return f"{self.server}: the broker hung up; does its listener speak another protocol than {protocol}?"

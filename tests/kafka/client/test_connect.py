from __future__ import annotations

import base64
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType
from kafka_cluster import PASSWORD, USER, Kafka, free_ports

from pengi_stream.clock import Deadline
from pengi_stream.errors import BrokerError
from pengi_stream.kafka.client.connect import connect
from pengi_stream.kafka.client.producer import Producer, ProducerOptions, Record
from pengi_stream.kafka.security import SecurityConfig

MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
SOON_S = 10


def security(**keys: object) -> SecurityConfig:
    return SecurityConfig.model_validate(keys)


def unsecured_token(subject: str, lives_s: float = 600) -> str:
    """A token that a broker without an identity provider takes."""

    def part(fields: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(fields).encode()).rstrip(b"=").decode()

    now = time.time()
    return f"{part({'alg': 'none'})}.{part({'sub': subject, 'iat': now, 'exp': now + lives_s})}."


def credentials(kafka: Kafka, listener: str, mechanism: str | None = None) -> SecurityConfig:
    keys: dict[str, object] = {"protocol": "SSL" if listener == "MUTUAL_SSL" else listener}
    if "SSL" in listener:
        keys["ca_file"] = kafka.tls / "ca.pem"
    if listener == "MUTUAL_SSL":
        keys |= {"cert_file": kafka.tls / "client.pem", "key_file": kafka.tls / "client.key"}
    if mechanism == "OAUTHBEARER":
        keys |= {"mechanism": mechanism, "token": unsecured_token(USER)}
    elif mechanism:
        keys |= {"mechanism": mechanism, "username": USER, "password": PASSWORD}
    return security(**keys)


def refusal(servers: str, config: SecurityConfig, **topics: list[str]) -> str:
    """Why connecting fails; it must say so soon, in one line, without a secret."""
    began = time.monotonic()
    with pytest.raises(BrokerError) as caught:
        connect(servers.split(","), config, **topics)
    assert time.monotonic() - began < SOON_S
    said = str(caught.value)
    assert "\n" not in said
    assert "secret" not in said
    return said


@pytest.mark.parametrize(
    ("listener", "mechanism"),
    [
        ("PLAINTEXT", None),
        ("SSL", None),
        ("MUTUAL_SSL", None),
        *(("SASL_PLAINTEXT", mechanism) for mechanism in [*MECHANISMS, "OAUTHBEARER"]),
        *(("SASL_SSL", mechanism) for mechanism in [*MECHANISMS, "OAUTHBEARER"]),
    ],
)
def test_every_security_protocol_takes_records(kafka: Kafka, listener: str, mechanism: str | None) -> None:
    topic = kafka.new_topic()
    config = credentials(kafka, listener, mechanism)
    servers = kafka.listener(listener).split(",")
    producer = Producer(ProducerOptions(servers, config, topics=[topic]))
    producer.send(Record(topic, b"door", b"audio"))
    producer.flush(Deadline(20))
    producer.close()
    assert connect(servers, config, reads=[topic]).topics[topic].partitions == 1


def test_a_key_with_a_password_is_opened_by_it(kafka: Kafka) -> None:
    keys = {"ca_file": kafka.tls / "ca.pem", "cert_file": kafka.tls / "client.pem"}
    locked = keys | {"protocol": "SSL", "key_file": kafka.tls / "client-locked.key"}
    connect([kafka.listener("MUTUAL_SSL")], security(**locked, key_password="key-secret"))
    said = refusal(kafka.listener("MUTUAL_SSL"), security(**locked, key_password="wrong-secret"))
    assert "key_password does not open the key" in said


def test_a_refused_port_is_named() -> None:
    [port] = free_ports(1)
    said = refusal(f"127.0.0.1:{port}", security())
    assert said == f"127.0.0.1:{port}: connection refused; is a broker running there?"


def test_an_unknown_host_is_named() -> None:
    assert "unknown host 'no-such-host.invalid'" in refusal("no-such-host.invalid:9092", security())


def test_waiting_helps_where_nobody_answers_and_not_where_we_are_refused(kafka: Kafka) -> None:
    [port] = free_ports(1)
    with pytest.raises(BrokerError) as away:
        connect([f"127.0.0.1:{port}"], security())
    assert away.value.retry_after_s is not None
    wrong = credentials(kafka, "SASL_PLAINTEXT", "PLAIN").model_copy(update={"username": "mallory"})
    with pytest.raises(BrokerError) as refused:
        connect([kafka.listener("SASL_PLAINTEXT")], wrong)
    assert refused.value.retry_after_s is None


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("listener", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_a_wrong_password_is_told(kafka: Kafka, listener: str, mechanism: str) -> None:
    right = credentials(kafka, listener, mechanism).model_dump(exclude_none=True)
    said = refusal(kafka.listener(listener), security(**right | {"password": "wrong-secret"}))
    assert f"refused user 'alice' or its password by {mechanism}" in said


def test_an_expired_token_is_told(kafka: Kafka) -> None:
    old = security(protocol="SASL_PLAINTEXT", mechanism="OAUTHBEARER", token=unsecured_token(USER, lives_s=-600))
    assert "refused the token by OAUTHBEARER" in refusal(kafka.listener("SASL_PLAINTEXT"), old)


def test_a_token_file_is_read_again_for_each_connection(kafka: Kafka, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(unsecured_token(USER, lives_s=-600))
    config = security(protocol="SASL_PLAINTEXT", mechanism="OAUTHBEARER", token={"file": str(file)})
    refusal(kafka.listener("SASL_PLAINTEXT"), config)
    file.write_text(unsecured_token(USER))
    connect([kafka.listener("SASL_PLAINTEXT")], config)


def test_an_authority_that_did_not_sign_the_broker_is_told(kafka: Kafka) -> None:
    said = refusal(kafka.listener("SSL"), security(protocol="SSL", ca_file=kafka.tls / "other-ca.pem"))
    assert "certificate is not trusted" in said
    assert "other-ca.pem" in said
    assert "not trusted" in refusal(kafka.listener("SSL"), security(protocol="SSL"))


def test_a_certificate_for_another_host_is_told(kafka: Kafka) -> None:
    port = kafka.listener("SSL").rpartition(":")[2]
    said = refusal(f"127.1:{port}", security(protocol="SSL", ca_file=kafka.tls / "ca.pem"))
    assert "certificate is for another host" in said


def test_a_broker_that_wants_our_certificate_says_so(kafka: Kafka) -> None:
    servers = kafka.listener("MUTUAL_SSL")
    keys = {"protocol": "SSL", "ca_file": kafka.tls / "ca.pem"}
    assert "wants a certificate of ours" in refusal(servers, security(**keys))
    other = {"cert_file": kafka.tls / "other-client.pem", "key_file": kafka.tls / "other-client.key"}
    assert "does not trust the certificate in security.cert_file" in refusal(servers, security(**keys, **other))


def test_a_key_of_another_certificate_is_told(kafka: Kafka) -> None:
    keys = {"ca_file": kafka.tls / "ca.pem", "cert_file": kafka.tls / "client.pem"}
    said = refusal("127.0.0.1:1", security(protocol="SSL", **keys, key_file=kafka.tls / "other-client.key"))
    assert "does not belong together" in said


def test_a_file_that_is_no_certificate_is_told(kafka: Kafka, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("hello")
    assert "is no PEM file" in refusal("127.0.0.1:1", security(protocol="SSL", ca_file=tmp_path / "ca.pem"))


@pytest.mark.parametrize(
    ("listener", "found", "said"),
    [
        ("SSL", "PLAINTEXT", "speaks TLS; protocol is PLAINTEXT, the listener is probably SSL"),
        ("SASL_SSL", "SASL_PLAINTEXT", "speaks TLS; protocol is SASL_PLAINTEXT, the listener is probably SASL_SSL"),
        ("PLAINTEXT", "SSL", "speaks no TLS; protocol is SSL, the listener is probably PLAINTEXT"),
        ("SASL_PLAINTEXT", "SASL_SSL", "speaks no TLS; protocol is SASL_SSL"),
        ("PLAINTEXT", "SASL_PLAINTEXT", "takes no login; protocol is SASL_PLAINTEXT, expected PLAINTEXT"),
        ("SASL_PLAINTEXT", "PLAINTEXT", "perhaps wants a login; protocol is PLAINTEXT, expected SASL_PLAINTEXT"),
        ("SASL_SSL", "SSL", "perhaps wants a login; protocol is SSL, expected SASL_SSL"),
    ],
)
def test_another_protocol_than_the_listeners_is_told(kafka: Kafka, listener: str, found: str, said: str) -> None:
    config = credentials(kafka, found, "PLAIN" if "SASL" in found else None)
    assert said in refusal(kafka.listener(listener), config)


def test_a_mechanism_that_the_broker_does_not_offer_is_told() -> None:
    with kafka_that_offers(["GSSAPI", "PLAIN"]) as server:
        config = security(protocol="SASL_PLAINTEXT", mechanism="SCRAM-SHA-256", username=USER, password=PASSWORD)
        assert "does not offer mechanism SCRAM-SHA-256; it offers GSSAPI, PLAIN" in refusal(server, config)


def test_a_server_that_is_no_kafka_is_told() -> None:
    with server_that(lambda client: client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        assert "which is no Kafka" in refusal(server, security())


def greets(client: socket.socket) -> None:
    """A broker that says hello and hangs up at the next question."""
    asked = client.recv(4096)
    client.sendall(struct.pack(">i", 10) + asked[8:12] + bytes(6))
    client.recv(4096)


def test_a_broker_that_goes_down_between_two_calls_may_come_back() -> None:
    met: list[socket.socket] = []

    def greets_once(client: socket.socket) -> None:
        met.append(client)
        if len(met) == 1:
            greets(client)

    with server_that(greets_once) as server, pytest.raises(BrokerError, match="hung up") as caught:
        connect([server], security())
    assert caught.value.retry_after_s is not None


def test_a_listener_that_hangs_up_on_us_again_is_taken_to_want_a_login() -> None:
    with server_that(greets) as server, pytest.raises(BrokerError, match="perhaps wants a login") as caught:
        connect([server], security())
    assert caught.value.retry_after_s is None


def test_addresses_that_a_broker_gives_itself_and_that_nobody_reaches_are_named() -> None:
    """A container's broker that calls itself by the container's name."""
    host = b"kafka.invalid"
    member = struct.pack(">ih", 1, len(host)) + host + struct.pack(">ih", 9092, -1)
    metadata = struct.pack(">i", 1) + member + struct.pack(">hii", -1, 1, 0)

    def answer(client: socket.socket) -> None:
        for body in (bytes(6), metadata):
            asked = client.recv(4096)
            client.sendall(struct.pack(">i", len(body) + 4) + asked[8:12] + body)

    with server_that(answer) as server:
        said = refusal(server, security())
    assert f"{server} answers, but sends clients on to kafka.invalid:9092 (advertised.listeners)" in said
    assert "unknown host 'kafka.invalid'" in said


def test_one_broker_that_answers_is_enough(kafka: Kafka) -> None:
    [port] = free_ports(1)
    assert connect([f"127.0.0.1:{port}", *kafka.servers], security()).id


def test_a_missing_topic_is_named(kafka: Kafka) -> None:
    assert "no topic 'no-such-topic'" in refusal(kafka.bootstrap, security(), writes=["no-such-topic"])


@pytest.fixture
def guarded_topic(kafka: Kafka) -> Iterator[Callable[[ACLOperation], str]]:
    """A topic on which alice may do one thing only."""

    def allow(operation: ACLOperation) -> str:
        topic = kafka.new_topic()
        pattern = ResourcePattern(ResourceType.TOPIC, topic)
        admin = KafkaAdminClient(bootstrap_servers=kafka.servers)
        admin.create_acls([ACL(f"User:{USER}", "*", operation, ACLPermissionType.ALLOW, pattern)])
        admin.close()
        return topic

    return allow


def test_a_topic_that_we_may_read_but_not_write_is_told(
    kafka: Kafka, guarded_topic: Callable[[ACLOperation], str]
) -> None:
    servers, config = kafka.listener("SASL_PLAINTEXT"), credentials(kafka, "SASL_PLAINTEXT", "PLAIN")
    topic = guarded_topic(ACLOperation.READ)
    said = refusal(servers, config, writes=[topic])
    assert f"topic {topic!r}: user 'alice' is not authorised to WRITE" in said
    assert connect([servers], config, reads=[topic]).topics[topic].partitions == 1


@contextmanager
def server_that(answers: Callable[[socket.socket], None]) -> Iterator[str]:
    """The address of a server that is no broker."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    answers(client)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


@contextmanager
def kafka_that_offers(mechanisms: list[str]) -> Iterator[str]:
    """A broker, as far as the question for a mechanism of SASL."""

    def answer(client: socket.socket) -> None:
        for body in (bytes(6), refused):
            asked = client.recv(4096)
            client.sendall(struct.pack(">i", len(body) + 4) + asked[8:12] + body)

    offered = b"".join(struct.pack(">h", len(name)) + name.encode() for name in mechanisms)
    refused = struct.pack(">hi", 33, len(mechanisms)) + offered
    with server_that(answer) as server:
        yield server

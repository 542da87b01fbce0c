"""Whether a cluster can be used, and if not, why: in one line, within seconds."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from pengi_stream.clock import Deadline
from pengi_stream.errors import BrokerError
from pengi_stream.kafka.client.login import log_in
from pengi_stream.kafka.client.members import LoginWantedError, Members, ask_members
from pengi_stream.kafka.client.probe import Probe, UnreachableError
from pengi_stream.kafka.security import SecurityConfig

log = structlog.get_logger()

CONNECT_S = 10.0
UNKNOWN_TOPIC, NOT_AUTHORISED = 3, 29


class NoTopicError(BrokerError):
    """A topic is missing."""


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """A topic as the cluster has it."""

    name: str
    partitions: int
    id: str = ""
    """Another one after it was deleted and made anew"""


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """A cluster that answered."""

    id: str
    topics: Mapping[str, TopicFacts]


def connect(
    servers: Sequence[str],
    security: SecurityConfig,
    *,
    reads: Sequence[str] = (),
    writes: Sequence[str] = (),
    timeout_s: float = CONNECT_S,
) -> ClusterFacts:
    """Check the way to `servers` and the topics that will be read and written; blocks for `timeout_s` at most.

    Raises BrokerError whose line names the cause: a refused port, an unknown host, a certificate that is not trusted, a
    wrong password or mechanism, plaintext spoken to TLS, a topic that is missing or not ours to use. It has a
    `retry_after_s` where waiting may help.
    """
    deadline = Deadline(timeout_s)
    reachable = knock(servers, security, deadline)
    members = next(iter(reachable.values()))
    _reach_advertised(members.addresses, list(reachable), security, deadline)
    wanted = sorted({*reads, *writes})
    if not wanted:
        return ClusterFacts(members.id, {})
    with admin_client(list(reachable), security, timeout_s=max(1.0, deadline.remaining_s())) as admin:
        described = {topic["name"]: topic for topic in admin.describe_topics(wanted)}
    for use, names in {"READ": reads, "WRITE": writes}.items():
        for name in names:
            _check_topic(described[name], use, security)
    topics = {
        name: TopicFacts(name, len(topic["partitions"]), str(topic.get("topic_id", "")))
        for name, topic in described.items()
    }
    return ClusterFacts(members.id, topics)


@contextmanager
def admin_client(
    servers: Sequence[str], security: SecurityConfig, *, timeout_s: float = CONNECT_S
) -> Iterator[KafkaAdminClient]:
    """A client for asking about topics. Raises BrokerError, also for what goes wrong inside."""
    tame_library_log()
    timeout_ms = round(timeout_s * 1000)
    options: dict[str, Any] = {"bootstrap_timeout_ms": timeout_ms, "request_timeout_ms": timeout_ms}
    try:
        admin = KafkaAdminClient(bootstrap_servers=list(servers), **options, **security.client_options())
        try:
            yield admin
        finally:
            admin.close()
    except KafkaError as error:
        raise broker_error(servers, error) from error


def broker_error(servers: Sequence[str], error: KafkaError) -> BrokerError:
    """`error` of kafka-python in one line."""
    said = " ".join(str(error).split())
    return BrokerError(f"{','.join(servers)}: {said}", retry_after_s=1.0 if error.retriable else None)


def knock(servers: Sequence[str], security: SecurityConfig, deadline: Deadline) -> dict[str, Members]:
    """The servers that let us in, and what each tells of its cluster. Raises what most concerns the user."""
    security.client_options()  # files that are not as they should be concern all servers
    pool = ThreadPoolExecutor(max_workers=len(servers), thread_name_prefix="knock")
    attempts = {server: pool.submit(_try, server, security, deadline) for server in servers}
    pool.shutdown(wait=False)
    reachable: dict[str, Members] = {}
    troubles: list[BrokerError] = []
    for server, attempt in attempts.items():
        try:
            reachable[server] = attempt.result(deadline.remaining_s())
        except TooLate:
            troubles.append(UnreachableError(f"{server}: no answer in time"))
        except BrokerError as error:
            troubles.append(error)
    if reachable:
        return reachable
    raise _worst(troubles)


def _worst(troubles: Sequence[BrokerError]) -> BrokerError:
    lasting = [error for error in troubles if error.retry_after_s is None]
    shown = lasting or list(troubles)
    return BrokerError("; ".join(str(error) for error in shown), shown[0].retry_after_s)


def _try(server: str, security: SecurityConfig, deadline: Deadline) -> Members:
    """A listener that greets and hangs up twice is no broker that goes down: that one does not greet again."""
    try:
        return _meet(server, security, deadline)
    except LoginWantedError:
        try:
            return _meet(server, security, deadline)
        except LoginWantedError as again:
            raise BrokerError(str(again)) from again


def _meet(server: str, security: SecurityConfig, deadline: Deadline) -> Members:
    with Probe(server, security, deadline) as probe:
        if security.sasl:
            log_in(probe, security)
        return ask_members(probe, security.protocol)


def _reach_advertised(
    addresses: Sequence[str], reachable: Sequence[str], security: SecurityConfig, deadline: Deadline
) -> None:
    """Clients go on to the addresses that brokers give themselves, which a container or proxy easily gets wrong."""
    if not addresses or set(addresses) & set(reachable):
        return
    try:
        knock(addresses, security, deadline)
    except BrokerError as error:
        raise BrokerError(
            f"{reachable[0]} answers, but sends clients on to {', '.join(addresses)} (advertised.listeners), where "
            f"none is reached: {error}",
            error.retry_after_s,
        ) from error


def _facts(name: str, topic: Mapping[str, Any]) -> TopicFacts:
    return TopicFacts(name, len(topic["partitions"]), str(topic.get("topic_id", "")))


def _check_topic(topic: Mapping[str, Any], use: str, security: SecurityConfig) -> None:
    name, code = topic["name"], topic["error_code"]
    whom = f"user {security.username!r}" if security.username else "this client"
    if code == UNKNOWN_TOPIC:
        raise NoTopicError(f"no topic {name!r} (or {whom} may not see it); create it, or check its name")
    if code == NOT_AUTHORISED:
        raise BrokerError(f"topic {name!r}: {whom} is not authorised to use it; it needs an ACL for {use}")
    allowed = topic.get("authorized_operations")
    if allowed and use not in allowed and "ALL" not in allowed:
        raise BrokerError(f"topic {name!r}: {whom} is not authorised to {use}; it may {', '.join(allowed)}")


class _ToStructlog(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        log.debug("kafka_python", logger=record.name, level=record.levelname, message=record.getMessage())


def tame_library_log() -> None:
    """Send kafka-python's lines to our log at debug. Any number of times.

    Below INFO the library writes passwords and tokens, so there it stays silent."""
    library = logging.getLogger("kafka")
    library.setLevel(max(library.level, logging.INFO))
    if not any(isinstance(handler, _ToStructlog) for handler in library.handlers):
        library.addHandler(_ToStructlog())

"""Records to Kafka, in order, and durable when `flush` returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.producer.future import FutureRecordMetadata

from pengi_stream.clock import Deadline
from pengi_stream.errors import BrokerError
from pengi_stream.kafka.client.admin import max_message_bytes
from pengi_stream.kafka.client.connect import TopicFacts, broker_error, connect, tame_library_log
from pengi_stream.kafka.config import MAX_RECORD_BYTES, Compression
from pengi_stream.kafka.security import SecurityConfig

RETRY_S = 0.5
FOREVER_MS = 7 * 24 * 3600 * 1000  # who gives up, and when, is the pipeline's affair
PATIENCE_S = 5.0  # when nothing was acknowledged for so long, say why
MOST_RECONNECT_MS = 1_000  # a broker that comes back is found so soon
BATCH_BYTES = 256 * 1024
RECORD_OVERHEAD_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Record:
    """What a topic keeps."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_ms: int | None = None
    """UTC; None: the time of sending"""

    @property
    def bytes(self) -> int:
        """Of key, value and headers"""
        headers = sum(len(name.encode("utf-8", "surrogateescape")) + len(value) for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers


@dataclass(frozen=True, slots=True)
class ProducerOptions:
    """How records are sent."""

    servers: Sequence[str]
    security: SecurityConfig = field(default_factory=SecurityConfig)
    topics: Sequence[str] = ()
    """They must exist, and be ours to write, when the first record is sent"""
    compression: Compression = "none"
    linger_ms: int = 5
    """A record waits so long for others to share its batch"""
    max_record_bytes: int = MAX_RECORD_BYTES
    """Larger ones are refused; the topic's `max.message.bytes` has a word in it as well"""

    def library_options(self) -> dict[str, Any]:
        """Keyword arguments of KafkaProducer."""
        return {
            "bootstrap_servers": list(self.servers),
            "enable_idempotence": True,
            "acks": "all",
            "compression_type": None if self.compression == "none" else self.compression,
            "linger_ms": self.linger_ms,
            "batch_size": BATCH_BYTES,
            "max_request_size": self.max_record_bytes + RECORD_OVERHEAD_BYTES,
            "delivery_timeout_ms": FOREVER_MS,
            "max_block_ms": round(PATIENCE_S * 1000),
            "bootstrap_timeout_ms": round(PATIENCE_S * 1000),
            "reconnect_backoff_max_ms": MOST_RECONNECT_MS,
            "allow_auto_create_topics": False,
            **self.security.client_options(),
        }


@dataclass(slots=True)
class _Sent:
    record: Record
    future: FutureRecordMetadata


class Producer:
    """Idempotent, batched and compressed. One thread only.

    Connects when it is reached, or the first record is sent. What `send` took is kept until a `flush` has seen it
    acknowledged, and sent again, in order, where the library lost it; so a flush that raised may be called again.
    """

    def __init__(self, options: ProducerOptions) -> None:
        self._options = options
        self._library: KafkaProducer | None = None
        self._sent: list[_Sent] = []
        self._topics: Mapping[str, TopicFacts] = {}
        self._anew = False
        """What is not acknowledged is to be handed over again"""

    @property
    def unacknowledged(self) -> int:
        """How many records no flush has seen acknowledged"""
        return len(self._sent)

    def reach(self) -> None:
        """Connect, and check that the topics can be written. Raises BrokerError."""
        self._connected()

    def send(self, record: Record) -> None:
        """Hand `record` over; blocks while there is no connection, for some seconds at most.

        Raises BrokerError, and then has not taken the record."""
        self._sent.append(_Sent(record, self._hand_over(record)))

    def flush(self, deadline: Deadline) -> None:
        """Return when all records are acknowledged by all replicas in sync. Raises BrokerError: with `retry_after_s` a
        later flush may succeed; without, the first record that nobody will take is named, and all are forgotten."""
        while self._sent:
            lost = 0 if self._anew else self._first_lost(deadline)
            self._sent = [] if lost is None else self._sent[lost:]
            self._anew = False
            for sent in self._sent:
                sent.future = self._hand_over(sent.record)

    def close(self) -> None:
        """Let go of the connection; does not flush. Any number of times."""
        self._sent = []
        self._anew = False
        self._let_go()

    def _let_go(self) -> None:
        if self._library is not None:
            library, self._library = self._library, None
            close_library(library)

    def _first_lost(self, deadline: Deadline) -> int | None:
        """Wait for all; index of the first record that must be sent again."""
        for index, sent in enumerate(self._sent):
            try:
                sent.future.get(max(0.01, min(PATIENCE_S, deadline.remaining_s())))
            except KafkaError as error:
                if not sent.future.is_done:
                    del self._sent[:index]
                    raise self._silent() from error
                if not _may_pass(error):
                    self._sent = []
                    raise refused(self._options, sent.record, error) from error
                return index
        return None

    def _hand_over(self, record: Record) -> FutureRecordMetadata:
        library = self._connected()
        try:
            return library.send(
                record.topic, record.value, record.key, list(record.headers), timestamp_ms=record.timestamp_ms
            )
        except KafkaTimeoutError as error:
            raise self._silent() from error
        except (KafkaError, ValueError) as error:
            raise refused(self._options, record, error) from error

    def _silent(self) -> BrokerError:
        """Why nothing is acknowledged. The library does not always see that a topic was made anew: then another one is
        begun with, and what may have been written to the old topic is sent again."""
        found, error = _asked(self._options)
        made = [name for name, topic in found.items() if name in self._topics and topic.id != self._topics[name].id]
        if made:
            self._let_go()
            self._anew = True
            names = ", ".join(repr(name) for name in made)
            return BrokerError(f"topic {names} was deleted and made anew: what it did not acknowledge follows", RETRY_S)
        return error

    def _connected(self) -> KafkaProducer:
        if self._library is None:
            tame_library_log()
            found = connect(self._options.servers, self._options.security, writes=self._options.topics)
            self._topics = found.topics
            try:
                self._library = KafkaProducer(**self._options.library_options())
            except KafkaError as error:
                raise broker_error(self._options.servers, error) from error
        return self._library


def why_silent(options: ProducerOptions) -> BrokerError:
    """Why nothing is acknowledged; another try may succeed."""
    return _asked(options)[1]


def _asked(options: ProducerOptions) -> tuple[Mapping[str, TopicFacts], BrokerError]:
    """The topics, as far as they are there, and why nothing is acknowledged."""
    try:
        found = connect(options.servers, options.security, writes=options.topics, timeout_s=PATIENCE_S)
    except BrokerError as error:
        return {}, error if error.retry_after_s is not None else BrokerError(str(error), RETRY_S)
    where = ",".join(options.servers)
    slow = f"{where}: the brokers answer, but are slow to acknowledge; are enough replicas up?"
    return found.topics, BrokerError(slow, RETRY_S)


def refused(options: ProducerOptions, record: Record, error: Exception) -> BrokerError:
    """Nobody will ever take `record`."""
    if type(error).__name__ in {"MessageSizeTooLargeError", "RecordListTooLargeError"}:
        return BrokerError(
            f"topic {record.topic!r}: a record of {record.bytes} bytes is too large; {_limit(options, record)}"
        )
    return BrokerError(f"topic {record.topic!r}: a record was refused: {' '.join(str(error).split())}")


def _limit(options: ProducerOptions, record: Record) -> str:
    """Who does not take `record`: we, or else its topic."""
    ours = f"we send up to {options.max_record_bytes}"
    if record.bytes > options.max_record_bytes:
        return f"{ours} (max_record_bytes)"
    try:
        largest = max_message_bytes(options.servers, options.security, [record.topic])[record.topic]
    except BrokerError:
        return f"{ours}, and its max.message.bytes may be lower"
    return f"its max.message.bytes is {largest}"


def close_library(library: KafkaProducer) -> None:
    """Close without waiting for records; kafka-python's close leaves its thread running where some are on their way."""
    try:
        library.close(timeout=0)
    except KafkaTimeoutError:
        library._sender.force_close()


def _may_pass(error: KafkaError) -> bool:
    """Whether the same record may be taken when it is sent again."""
    return bool(error.retriable) or type(error).__name__ in PRODUCER_STATE_ERRORS


PRODUCER_STATE_ERRORS = {
    "OutOfOrderSequenceNumberError",
    "UnknownProducerIdError",
    "InvalidProducerEpochError",
    "ProducerFencedError",
}
"""The broker forgot the producer; kafka-python begins anew with another epoch, and loses what was on its way."""

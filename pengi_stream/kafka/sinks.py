"""Events and dead letters to topics of Kafka: durable at the flush, or together with the place of their source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pengi_stream.clock import Deadline
from pengi_stream.errors import BrokerError, ConfigError, SinkError
from pengi_stream.events import Event
from pengi_stream.kafka.client.outgoing import RecordQueue
from pengi_stream.kafka.client.producer import ProducerOptions, Record
from pengi_stream.kafka.config import TopicConfig
from pengi_stream.kafka.dead_letters import NO_SERVERS, KafkaDeadLettersConfig
from pengi_stream.kafka.events import KafkaSinkConfig
from pengi_stream.kafka.transaction import KafkaTransaction, transaction_of
from pengi_stream.protocols import Context, DeadLetterSink, EventSink
from pengi_stream.types import BadRecord
from pengi_stream.wire import CONTENT_TYPE, event_to_json
from pengi_stream.wire.letter import letter_of, to_headers

HEADERS = (("content-type", CONTENT_TYPE.encode()),)


class _Way(Protocol):
    """Where records go."""

    def write(self, records: Sequence[Record]) -> None: ...

    def flush(self, deadline: Deadline) -> None: ...

    def close(self) -> None: ...


class KafkaSink(EventSink):
    """Writes events to a topic. What a failed flush left is sent by the next flush, and forgotten by the next write."""

    def __init__(self, config: KafkaSinkConfig, context: Context) -> None:
        self._topic = config.topic
        options = ProducerOptions(
            config.bootstrap_servers, config.security, topics=(config.topic,), compression=config.compression
        )
        self._way = _way(options, config.create_topic, context, ends_it=True)

    def write(self, items: Sequence[Event]) -> None:
        self._way.write(
            [Record(self._topic, key_of(event.stream_id), event_to_json(event).encode(), HEADERS) for event in items]
        )

    def flush(self, deadline: Deadline) -> None:
        try:
            self._way.flush(deadline)
        except BrokerError as error:
            raise SinkError(str(error), error.retry_after_s) from error

    def close(self) -> None:
        self._way.close()


class KafkaDeadLetters(DeadLetterSink):
    """Writes bad records to a topic, as KafkaSink does events."""

    def __init__(self, config: KafkaDeadLettersConfig, context: Context) -> None:
        if config.bootstrap_servers is None:
            raise ConfigError(NO_SERVERS)
        self._topic = config.topic
        options = ProducerOptions(
            config.bootstrap_servers,
            config.security,
            topics=(config.topic,),
            compression=config.compression,
            max_record_bytes=config.max_record_bytes,
        )
        self._way = _way(options, config.create_topic, context, ends_it=False)

    def write(self, items: Sequence[BadRecord]) -> None:
        self._way.write([self._record(item) for item in items])

    def flush(self, deadline: Deadline) -> None:
        try:
            self._way.flush(deadline)
        except BrokerError as error:
            raise SinkError(f"dead letters: {error}", error.retry_after_s) from error

    def close(self) -> None:
        self._way.close()

    def _record(self, bad: BadRecord) -> Record:
        letter = letter_of(bad)
        key = key_of(letter.stream_id) if letter.value is None else letter.key
        return Record(self._topic, key, letter.value, to_headers(letter))


class _WithTransaction:
    """To the transaction, which is committed by who has it; only the sink, which is in use until the end, ends it."""

    def __init__(self, transaction: KafkaTransaction, ends_it: bool) -> None:
        self._transaction = transaction
        self._ends_it = ends_it

    def write(self, records: Sequence[Record]) -> None:
        self._transaction.write(records)

    def flush(self, deadline: Deadline) -> None:
        self._transaction.reach(deadline)

    def close(self) -> None:
        if self._ends_it:
            self._transaction.close()


def _way(options: ProducerOptions, create: TopicConfig | None, context: Context, *, ends_it: bool) -> _Way:
    if transaction := transaction_of(context):
        return _WithTransaction(transaction, ends_it)
    creates = {options.topics[0]: create} if create else {}
    return RecordQueue(options, creates, context.clock, context.metrics)


def key_of(stream_id: str) -> bytes:
    """The key of a stream's records."""
    return stream_id.encode("utf-8", "surrogateescape")

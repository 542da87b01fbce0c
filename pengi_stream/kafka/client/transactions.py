"""Records and the place of their sources, durable together or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass
from functools import partial

from kafka import KafkaProducer, TopicPartition
from kafka.errors import (
    CommitFailedError,
    FencedInstanceIdError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata

from pengi_stream.clock import Deadline
from pengi_stream.errors import BrokerError
from pengi_stream.kafka.client.connect import admin_client, broker_error, connect, knock, tame_library_log
from pengi_stream.kafka.client.producer import (
    PATIENCE_S,
    RETRY_S,
    ProducerOptions,
    Record,
    close_library,
    refused,
    why_silent,
)
from pengi_stream.kafka.lane import Lane

TIMEOUT_MS = 5_000  # a worker that is killed inside a transaction blocks readers so long, and until a broker looks
ASK_S = 10.0


class StalePlaceError(BrokerError):
    """The group has moved on: our partitions, or some of them, are another worker's, and nothing was written."""


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Up to where a consumer's partitions are done."""

    offsets: Mapping[TopicPartition, OffsetAndMetadata]
    group: ConsumerGroupMetadata
    """Of the consumer that read them, so that a worker that lost its partitions is fenced off"""
    records: Sequence[Record] = ()
    """States that are too large for an offset's metadata, and go to a topic"""
    make_topic: Callable[[], None] = lambda: None
    """Makes that topic where it is missing. Raises BrokerError"""
    settle: Callable[[bool], None] = lambda _: None
    """To be told once whether it is committed"""

    @property
    def lanes(self) -> frozenset[str]:
        """Their names in a position"""
        return frozenset(Lane(*partition).name for partition in self.offsets)


class TransactionalProducer:
    """Commits one transaction at a time. One thread only.

    Whatever fails, the next attempt begins with a new producer of the same id, which ends what the old one left open:
    kafka-python's own goes on waiting where the coordinator was away.
    """

    def __init__(self, options: ProducerOptions, transactional_id: str) -> None:
        self._options = options
        self._id = transactional_id
        self._library: KafkaProducer | None = None
        self._unsure = False

    def commit(self, records: Sequence[Record], place: Place) -> None:
        """Return when `records` and `place` are committed as one; within seconds where nobody answers.

        Raises StalePlaceError; or BrokerError, with `retry_after_s` where the same transaction may succeed later.
        """
        if place.group.generation_id < 0:  # the broker would not look whether we have the partitions
            raise StalePlaceError(f"group {place.group.group_id!r}: we are no member at the moment")
        library = self._opened()
        if self._unsure and self._is_committed(place):
            self._unsure = False
            return
        try:
            self._perform(library, [*place.records, *records], place)
        except (CommitFailedError, FencedInstanceIdError) as error:
            self.close()
            raise StalePlaceError(f"group {place.group.group_id!r}: another worker has our place") from error
        except KafkaTimeoutError as error:
            self._drop()
            raise why_silent(self._options) from error
        except KafkaError as error:
            self._drop()
            raise BrokerError(f"transaction {self._id!r}: {' '.join(str(error).split())}", RETRY_S) from error
        except BrokerError:
            self._drop()
            raise

    def close(self) -> None:
        """Let go of the connection; what is not committed never is. Any number of times."""
        self._unsure = False
        self._drop()

    def _perform(self, library: KafkaProducer, records: Sequence[Record], place: Place) -> None:
        library.begin_transaction()
        self._send(library, records)
        _within(PATIENCE_S, partial(library.send_offsets_to_transaction, dict(place.offsets), place.group))
        self._unsure = True
        _within(PATIENCE_S, library.commit_transaction)
        self._unsure = False

    def _send(self, library: KafkaProducer, records: Sequence[Record]) -> None:
        sent = []
        for record in records:
            try:
                future = library.send(
                    record.topic, record.value, record.key, list(record.headers), timestamp_ms=record.timestamp_ms
                )
            except (ValueError, MessageSizeTooLargeError) as error:
                raise refused(self._options, record, error) from error
            sent.append((record, future))
        library.flush(timeout=PATIENCE_S)
        for record, future in sent:
            if future.failed():
                if isinstance(future.exception, NEVER):
                    raise refused(self._options, record, future.exception)
                raise future.exception

    def _opened(self) -> KafkaProducer:
        if self._library is None:
            tame_library_log()
            connect(self._options.servers, self._options.security, writes=self._options.topics)
            try:
                library = KafkaProducer(
                    **self._options.library_options(), transactional_id=self._id, transaction_timeout_ms=TIMEOUT_MS
                )
                try:
                    library.init_transactions()
                except KafkaError:
                    close_library(library)
                    raise
            except KafkaError as error:
                raise broker_error(self._options.servers, error) from error
            self._library = library
        return self._library

    def _is_committed(self, place: Place) -> bool:
        """Whether a commit of which no answer came was carried out: its offsets tell, since they are part of it."""
        group = place.group.group_id
        reachable = knock(self._options.servers, self._options.security, Deadline(ASK_S))
        with admin_client(list(reachable), self._options.security) as admin:
            found = admin.list_group_offsets({group: list(place.offsets)})[group]
        return any(_same(found.get(partition), wanted) for partition, wanted in place.offsets.items())

    def _drop(self) -> None:
        """The next attempt begins with a new producer of the same id, which ends what this one left open."""
        if self._library is not None:
            library, self._library = self._library, None
            close_library(library)


NEVER = (MessageSizeTooLargeError, RecordListTooLargeError, TopicAuthorizationFailedError)
"""A record that got one of these is not taken at a later try either"""


def _within(seconds: float, call: Callable[[], object]) -> None:
    """kafka-python's own waits for ever. Raises KafkaTimeoutError, and leaves the call behind."""
    done: Future[object] = Future()

    def run() -> None:
        try:
            done.set_result(call())
        except Exception as error:  # noqa: BLE001  raised again by who waits for it
            done.set_exception(error)

    threading.Thread(target=run, name="transaction", daemon=True).start()
    try:
        done.result(seconds)
    except TooLate as error:
        raise KafkaTimeoutError(f"no answer within {seconds} s") from error


def _same(found: OffsetAndMetadata | None, wanted: OffsetAndMetadata) -> bool:
    return found is not None and (found.offset, found.metadata) == (wanted.offset, wanted.metadata)

"""What is done, to the broker: at intervals, before a partition becomes another's, and at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from pengi_stream.clock import Clock, Deadline
from pengi_stream.errors import BrokerError
from pengi_stream.kafka.client.producer import Record
from pengi_stream.kafka.client.transactions import Place
from pengi_stream.kafka.lane import Lane
from pengi_stream.kafka.reading.holdings import Holdings
from pengi_stream.kafka.reading.lanes import Lanes, Reached
from pengi_stream.kafka.reading.ledger import Draft, Ledger
from pengi_stream.kafka.reading.states import StateTopic
from pengi_stream.metrics import Metrics

log = structlog.get_logger()

ANSWER_S = 30.0  # the library forgets some commits where a connection breaks
HAND_OVER_MS = 5_000
FINISH_MS = 2_000  # for one attempt


@dataclass(slots=True)
class _Batch:
    """One commit of some partitions. Until the broker has answered it is all that is sent, again and again: a state
    may only be written where the broker is known to have its predecessor."""

    drafts: Mapping[Lane, tuple[int, Draft]]
    """Offset, and what is kept with it"""
    records: Sequence[Record] = ()
    answer_due: Deadline | None = None
    written: bool = field(default=False, init=False)

    def offsets(self, holdings: Holdings) -> dict[TopicPartition, OffsetAndMetadata]:
        """Of those that are still ours."""
        return {
            held.partition: OffsetAndMetadata(offset, draft.metadata, -1)
            for lane, (offset, draft) in self.drafts.items()
            if (held := holdings.of(lane.name, lane.assignment))
        }


class Commits:
    """Commits what of `lanes` is done. Polling thread only, but for `place` and what comes of it."""

    def __init__(
        self,
        library: KafkaConsumer,
        holdings: Holdings,
        lanes: Lanes[Any],
        states: StateTopic,
        clock: Clock,
        metrics: Metrics,
        *,
        wanted: bool,
    ) -> None:
        self._library = library
        self._holdings = holdings
        self._lanes = lanes
        self._states = states
        self._clock = clock
        self._metrics = metrics
        self._wanted = wanted
        self._lock = threading.Lock()
        self._ledgers: dict[Lane, Ledger] = {}
        self._committed: dict[Lane, tuple[int, str]] = {}
        self._pending: _Batch | None = None

    def take(self, lane: Lane, ledger: Ledger) -> None:
        """It is ours; what is committed of it goes into `ledger`."""
        with self._lock:
            self._ledgers[lane] = ledger

    def begin(self) -> None:
        """Send what moved since the last commit; does not wait for the answer, but for states to be durable."""
        if not self._wanted:
            return
        batch = self._pending = self._pending or self._batch(self._lanes.reached())
        if batch is None or (batch.answer_due is not None and not batch.answer_due.expired):
            return
        offsets = batch.offsets(self._holdings)
        if not offsets:
            self._pending = None
            return
        self._write(batch)
        batch.answer_due = Deadline(ANSWER_S, self._clock)
        self._library.commit_async(offsets, partial(self._answered, batch, self._clock.monotonic_s()))

    def hand_over(self, lanes: Collection[Lane]) -> None:
        """They become another's when we poll again: let nothing more of them be done, and commit what is."""
        reached = [each for each in self._lanes.reached() if each.lane in lanes]
        for lane in lanes:
            self._lanes.revoke(lane)
        if self._wanted:
            try:
                self._commit_now(reached, HAND_OVER_MS)
            except (KafkaError, BrokerError) as error:
                log.warning("commit_refused", reason=repr(error))
        self._forget(lanes)

    def give_up(self, lanes: Collection[Lane]) -> None:
        """They may be another's already, or are not what they were: nothing of them can be committed."""
        for lane in lanes:
            self._lanes.revoke(lane)
        self._forget(lanes)

    def finish(self, deadline: Deadline, poll: Callable[[], None]) -> None:
        """Commit and wait for the answer; in the middle of a rebalance only `poll` brings it nearer."""
        while self._wanted:
            try:
                self._commit_now(self._lanes.reached(), FINISH_MS)
            except (KafkaError, BrokerError) as error:
                if deadline.expired:
                    log.warning("commit_refused", reason=repr(error))
                    return
                poll()
            else:
                return

    def place(self, reached: Sequence[Reached]) -> Place | None:
        """For a transaction; its `settle` is to be called before the next. Any thread."""
        group = self._holdings.now.group
        batch = self._batch(reached)
        offsets = batch.offsets(self._holdings) if batch else {}
        if batch is None or not offsets:
            return None
        return Place(offsets, group, batch.records, self._states.make, partial(self._settle, batch))

    def _commit_now(self, reached: Sequence[Reached], within_ms: int) -> None:
        if self._pending is not None:
            self._commit(self._pending, within_ms)
        if (batch := self._batch(reached)) is not None:
            self._commit(batch, within_ms)

    def _commit(self, batch: _Batch, within_ms: int) -> None:
        self._pending = batch
        if offsets := batch.offsets(self._holdings):
            self._write(batch)
            self._library.commit(offsets, timeout_ms=within_ms)
            self._settle(batch, committed=True)
        self._pending = None

    def _write(self, batch: _Batch) -> None:
        if not batch.written:
            self._states.write(batch.records)
            batch.written = True

    def _batch(self, reached: Sequence[Reached]) -> _Batch | None:
        """Drafts of what moved; None: nothing did."""
        drafts: dict[Lane, tuple[int, Draft]] = {}
        records: list[Record] = []
        with self._lock:
            for each in reached:
                ledger = self._ledgers.get(each.lane)
                if ledger is None or self._holdings.of(each.lane.name, each.lane.assignment) is None:
                    continue
                draft = ledger.draft(each.kept)
                moved = draft.records or self._committed.get(each.lane) != (each.offset, draft.metadata)
                if moved or not self._wanted:  # a transaction asks when it has something to write
                    drafts[each.lane] = each.offset, draft
                    records += self._states.records(each.lane.name, draft.records)
        return _Batch(drafts, records) if drafts else None

    def _answered(self, batch: _Batch, began_s: float, offsets: object, answer: object) -> None:  # noqa: ARG002
        batch.answer_due = None
        if isinstance(answer, Exception):
            log.info("commit_refused", reason=repr(answer))
        elif batch is self._pending:
            self._pending = None
            self._settle(batch, committed=True)
            self._metrics.commit_s.observe(self._clock.monotonic_s() - began_s)

    def _settle(self, batch: _Batch, committed: bool) -> None:
        with self._lock:
            for lane, (offset, draft) in batch.drafts.items():
                ledger = self._ledgers.get(lane)
                if ledger is None:
                    continue
                if committed:
                    ledger.confirm(draft)
                    self._committed[lane] = offset, draft.metadata
                else:
                    ledger.reject(draft)

    def _forget(self, lanes: Collection[Lane]) -> None:
        with self._lock:
            for lane in lanes:
                self._ledgers.pop(lane, None)
                self._committed.pop(lane, None)

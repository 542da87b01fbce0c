"""Exactly once: events, dead letters and the place of the source in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import structlog

from pengi_stream.engine.watermark import Work
from pengi_stream.errors import StaleError
from pengi_stream.protocols import DeadLetterSink, Progress, Transaction
from pengi_stream.runtime.sink_writers import MOST_AT_ONCE, Delivery, NamedSink, SinkTools, SinkWriter
from pengi_stream.types import CommitPosition

log = structlog.get_logger()

IDLE_COMMIT_S = 1.0  # quiet audio makes no events, but its place moves on
LAST_TRIES = 10
STALE_WAIT_S = 0.2  # until the source has heard as well that it lost its partitions


@dataclass(frozen=True, slots=True)
class Ends:
    """What shares transactions."""

    transaction: Transaction
    progress: Progress
    """Of the source"""
    sink: NamedSink
    dead_letters: DeadLetterSink | None


class TransactionalWriter(SinkWriter):
    """Writes deliveries to a sink, and the place of the source that they come from, as one.

    A transaction holds the events of work that is complete, and before which all work of its stream is complete: what
    the states in the place call done, and what a replay from there therefore leaves out.
    """

    def __init__(self, ends: Ends, tools: SinkTools) -> None:
        super().__init__(ends.sink, tools)
        self._ends = ends
        self._complete: list[Delivery] = []
        self._committed: Sequence[CommitPosition] = ()

    def work(self) -> None:
        """Until the channel ends. Raises SinkError when the sink has refused for too long."""
        try:
            self._reach()
            for deliveries in self._batches():
                self._deliver(deliveries)
        finally:
            self._sink.close()

    def _batches(self) -> Iterator[Sequence[Delivery]]:
        """What comes; nothing, where nothing comes for a while, and at the end as often as something is left."""
        while True:
            try:
                deliveries = self.channel.get_many(MOST_AT_ONCE, IDLE_COMMIT_S)
            except TimeoutError:
                yield ()
                continue
            yield deliveries
            if not deliveries:
                break
        for _ in range(LAST_TRIES):
            if self._complete:
                yield ()

    def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        self._tools.commits.done([delivery.work for delivery in deliveries])
        self._complete += deliveries
        positions = self._ends.progress.positions()
        reached = {position.lane: _Reached(position) for position in positions}
        self._complete = [each for each in self._complete if not _is_stale(each.work, reached)]
        if positions == self._committed and not any(_is_covered(each.work, reached) for each in self._complete):
            return
        lanes = self._ends.transaction.begin(positions)
        if lanes and self._commit(self._covered(reached, lanes)):
            self._committed = positions

    def _covered(self, reached: Mapping[str, _Reached], lanes: Collection[str]) -> list[Delivery]:
        ours = {name: reached[name] for name in reached if name in lanes}
        return [each for each in self._complete if _is_covered(each.work, ours)]

    def _commit(self, covered: Sequence[Delivery]) -> bool:
        """Whether `covered` and the place are durable; False: another worker has some of it by now."""
        events = [event for each in covered for event in each.items]
        records = [each.record for each in covered if each.record is not None]
        try:
            self._patience.until_accepted(lambda _: self._sink.write(events))
            if self._ends.dead_letters is not None and records:
                self._ends.dead_letters.write(records)
            self._patience.until_accepted(lambda _: self._ends.transaction.commit())
        except StaleError as error:
            log.info("transaction_stale", sink=self.name, events=len(events), reason=str(error))
            self._tools.stopping.wait(STALE_WAIT_S)
            return False
        done = set(map(id, covered))
        self._complete = [each for each in self._complete if id(each) not in done]
        self._written(covered)
        return True


class _Reached:
    """A position, its states by stream."""

    def __init__(self, position: CommitPosition) -> None:
        self.assignment = position.assignment
        self.states = {state.stream: state for state in position.states}


def _is_stale(work: Work, reached: Mapping[str, _Reached]) -> bool:
    """Whether another worker has it by now, or we have it again and a replay gives it."""
    if work.position is None:
        return False
    now = reached.get(work.position.lane)
    return now is None or work.position.assignment < now.assignment


def _is_covered(work: Work, reached: Mapping[str, _Reached]) -> bool:
    """Whether what was reached calls it done; a stream without a state is done altogether."""
    if work.position is None:
        return True
    if work.position.lane not in reached:
        return False
    state = reached[work.position.lane].states.get(work.stream)
    if state is None:
        return True
    if work.first_sample is not None:
        return work.first_sample < state.next_sample
    return work.position.offset < state.next_offset

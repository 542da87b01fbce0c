"""Exactly once: events, dead letters and the place of the source in one transaction."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from pengi_stream.errors import ConfigError, StaleError
from pengi_stream.protocols import (
    DeadLetterSink,
    Progress,
    SourcePlace,
    TransactionalDeadLetters,
    TransactionalSink,
    TransactionalSource,
)
from pengi_stream.runtime.outlets import MOST_AT_ONCE, Delivery, NamedSink, Outlet, OutletTools
from pengi_stream.types import Position, Window, WindowItem

log = structlog.get_logger()

IDLE_COMMIT_S = 1.0  # quiet audio makes no events, but its place moves on
LAST_TRIES = 10
STALE_WAIT_S = 0.2  # until the source has heard as well that it lost its partitions


@dataclass(frozen=True, slots=True)
class Transactional:
    """The two ends that share transactions, and what else has to be in them."""

    source: TransactionalSource
    progress: Progress
    sink: TransactionalSink
    dead_letters: DeadLetterSink | None


def transactional(
    sources: Sequence[object], required: Sequence[NamedSink], letters: DeadLetterSink | None, progress: Progress
) -> Transactional:
    """The ends of a pipeline that share transactions from now on. Raises ConfigError where they cannot."""
    if len(sources) != 1 or not isinstance(sources[0], TransactionalSource):
        raise ConfigError("exactly_once takes one source, of Kafka")
    if len(required) != 1 or not isinstance(required[0].sink, TransactionalSink):
        raise ConfigError("exactly_once takes one required sink, of Kafka; others can have `required: false`")
    if letters is not None:
        if not isinstance(letters, TransactionalDeadLetters):
            raise ConfigError("exactly_once takes dead letters of Kafka")
        letters.join(required[0].sink)
    sources[0].leave_commits()
    return Transactional(sources[0], progress, required[0].sink, letters)


class TransactionalOutlet(Outlet):
    """Writes deliveries to a sink, and the place of the source that they come from, as one.

    A transaction holds the events of work that is complete, and before which all work of its stream is complete: what
    the states in the place call done, and what a replay from there therefore leaves out.
    """

    def __init__(self, name: str, ends: Transactional, tools: OutletTools) -> None:
        super().__init__(NamedSink(name, ends.sink, required=True), tools)
        self._ends = ends
        self._open: dict[int, list[Delivery]] = {}
        self._complete: list[Delivery] = []
        self._committed: Sequence[Position] = ()

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
        for delivery in deliveries:
            parts = self._open.setdefault(id(delivery.work), [])
            parts.append(delivery)
            if self._tools.tracker.done(delivery.work):
                self._complete += self._open.pop(id(delivery.work))
        positions = self._ends.progress.positions()
        reached = {position.partition: _Reached(position) for position in positions}
        self._complete = [each for each in self._complete if not _is_stale(each.work, reached)]
        if not any(_is_covered(each.work, reached) for each in self._complete) and positions == self._committed:
            return
        place = self._ends.source.place(positions)
        if place is not None:
            ours = {name: reached[name] for name in reached if name in place.partitions}
            if self._commit(place, [each for each in self._complete if _is_covered(each.work, ours)]):
                self._committed = positions

    def _commit(self, place: SourcePlace, covered: Sequence[Delivery]) -> bool:
        """Whether `covered` and `place` are durable; False: another worker has some of it by now."""
        sink, letters = self._ends.sink, self._ends.dead_letters
        events = [event for each in covered for event in each.events]
        try:
            self._until_accepted(partial(sink.write, events))
            if letters is not None:
                for record in [each.bad for each in covered if each.bad is not None]:
                    letters.write(record)
            self._until_accepted(partial(sink.commit, place))
        except StaleError as error:
            log.info("transaction_stale", sink=self.name, events=len(events), reason=str(error))
            threading.Event().wait(STALE_WAIT_S)
            return False
        done = {id(each) for each in covered}
        self._complete = [each for each in self._complete if id(each) not in done]
        self._written(covered)
        return True


class _Reached:
    """A position, its states by stream."""

    def __init__(self, position: Position) -> None:
        self.generation = position.generation
        self.states = {state.stream: state for state in position.states}


def _is_stale(work: WindowItem, reached: Mapping[str, _Reached]) -> bool:
    """Whether another worker has it by now, or we have it again and a replay gives it."""
    if work.position is None:
        return False
    now = reached.get(work.position.partition)
    return now is None or work.position.generation < now.generation


def _is_covered(work: WindowItem, reached: Mapping[str, _Reached]) -> bool:
    """Whether what was reached calls it done; a stream without a state is done altogether."""
    if work.position is None:
        return True
    if work.position.partition not in reached:
        return False
    state = reached[work.position.partition].states.get(work.stream)
    if state is None:
        return True
    if isinstance(work, Window):
        return work.first_sample < state.next_sample
    return work.position.offset < state.next_offset

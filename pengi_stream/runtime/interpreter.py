"""From what was heard to events: in the order of each stream, through the stages, to the sinks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pengi_stream.clock import Clock
from pengi_stream.engine.reorder import Ordered
from pengi_stream.engine.stages import Stages
from pengi_stream.outcomes import Heard, OrderedItem, Unheard
from pengi_stream.runtime.asking import Joined
from pengi_stream.runtime.dead_letters import DeadLetters
from pengi_stream.runtime.sink_writers import EVENT_BYTES, Delivery, SinkWriters
from pengi_stream.runtime.tracker import Tracker
from pengi_stream.types import BadRecord

MOST_AT_ONCE = 256  # items between two flushes of the dead letters


@dataclass(frozen=True, slots=True)
class Interpreter:
    """Takes what comes out behind the model through the stages, and keeps bad records before anything is told of
    them."""

    stages: Stages
    sinks: SinkWriters
    dead_letters: DeadLetters
    tracker: Tracker
    clock: Clock

    def work(self, joined: Joined) -> None:
        """Until `joined` ends. Raises SinkError when dead letters have no place."""
        try:
            self.dead_letters.reach()
            while ordered := joined.get_many(MOST_AT_ONCE):
                self.dead_letters.keep(list(_records(ordered)))
                for each in ordered:
                    self._interpret(each)
        finally:
            self.dead_letters.close()

    def _interpret(self, ordered: Ordered) -> None:
        work, item = ordered.work, ordered.item
        taken = self.stages.take(item, self.clock.utc_ns())
        if work is None:
            return
        if taken.states:
            self.tracker.interpreted(work, taken.states)
        span = item.span if isinstance(item, Heard) and taken.events else None
        record = _record(item) if self.dead_letters.in_transactions else None
        size = sum(EVENT_BYTES + event.samples_bytes for event in taken.events)
        size += 0 if record is None else len(record.value or b"")
        self.sinks.deliver(Delivery(work, taken.events, size, span, record))


def _records(ordered: Sequence[Ordered]) -> Iterator[BadRecord]:
    for each in ordered:
        if (record := _record(each.item)) is not None:
            yield record


def _record(item: OrderedItem) -> BadRecord | None:
    """What becomes a dead letter: what nobody has kept yet."""
    if isinstance(item, Unheard):
        return item.record
    return item if isinstance(item, BadRecord) and not item.kept else None

"""Which partitions are ours, and from where on they are read."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from pengi_stream.errors import SourceError
from pengi_stream.kafka.config import partition_name
from pengi_stream.kafka.reading.inbox import Arrival, Assigned, Lost, Removed
from pengi_stream.metrics import Metrics

log = structlog.get_logger()

Start = Literal["earliest", "latest", "committed"] | int
"""Where to begin where the group has committed nothing; a number: UTC in milliseconds"""
ASK_MS = 5_000


@dataclass(slots=True)
class Held:
    """A partition of ours."""

    generation: int
    """Number of the assignment, among all of this worker"""
    next_offset: int
    time_ms: int = 0
    """Time stamp of the last record that was fetched"""


class Listener(AsyncConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """Notes what happens on kafka-python's IO thread, where nothing may block."""

    def __init__(self, library: KafkaConsumer) -> None:
        self._library = library
        self.commit: Callable[[], Coroutine[Any, Any, None]] | None = None
        self.assigned: set[TopicPartition] | None = None
        """Partitions that are ours now; None: nothing changed"""
        self.lost: set[TopicPartition] = set()
        """Partitions that others may have had meanwhile"""

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        if revoked and self.commit is not None:
            await self.commit()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._library.pause(*assigned)
        self.assigned = set(assigned)

    async def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        self.lost |= set(lost)
        self.assigned = set()


class Assignment:
    """Follows rebalances. One thread only, but for `held`.

    A rebalance takes all partitions from all members; those that come back to us were nobody else's, so they go on as
    if nothing had happened. The others are told of as removed and assigned.
    """

    def __init__(
        self,
        library: KafkaConsumer,
        listener: Listener,
        start: Start,
        read_state: Callable[[str, str], str],
        put: Callable[[Arrival], None],
    ) -> None:
        self._library = library
        self._listener = listener
        self._start = start
        self._read_state = read_state
        self._put = put
        self._unsettled: set[TopicPartition] = set()
        self._generations = count(1)
        self.held: Mapping[TopicPartition, Held] = {}
        """Replaced, never changed; any thread may look"""
        self.metrics: Metrics | None = None

    def settle(self) -> bool:
        """Take over what a poll changed; whether anything was. Raises SourceError; may block for seconds."""
        assigned, self._listener.assigned = self._listener.assigned, None
        lost, self._listener.lost = self._listener.lost, set()
        if assigned is not None:
            if self.metrics is not None:
                self.metrics.rebalances.inc()
            self._change(assigned, lost)
        settled = [place for place in sorted(self._unsettled) if self._settle(place)]
        self._unsettled -= set(settled)
        return assigned is not None or bool(settled)

    def out_of_range(self, places: Mapping[TopicPartition, int]) -> None:
        """Go on where the broker has records."""
        for place, wanted in places.items():
            if place not in self.held:
                continue
            first = self._library.beginning_offsets([place])[place]
            name, held = partition_name(*place), self.held[place]
            log.error("offset_out_of_range", partition=name, wanted=wanted, first=first)
            self._library.seek(place, first)
            if wanted < first:
                held.next_offset = first
                reason = f"offsets {wanted} to {first - 1} of {name} were deleted before they were read"
                self._put(Lost(name, held.generation, reason))
            else:  # the topic was made anew, or lost its end: what was counted means nothing there
                self._remove([place])
                self._take(place, first, "")

    def _change(self, assigned: set[TopicPartition], lost: set[TopicPartition]) -> None:
        gone = [place for place in self.held if place in lost or place not in assigned]
        self._remove(gone)
        self._unsettled = assigned - self.held.keys()
        for place, held in self.held.items():
            self._library.seek(place, held.next_offset)
        log.info("rebalanced", partitions=sorted(partition_name(*p) for p in assigned), removed=len(gone))

    def _settle(self, place: TopicPartition) -> bool:
        try:
            offset, metadata = self._where(place)
        except KafkaError as error:
            if not error.retriable:
                raise
            log.warning("offset_unknown", partition=partition_name(*place), reason=repr(error))
            return False
        self._library.seek(place, offset)
        self._take(place, offset, metadata)
        return True

    def _where(self, place: TopicPartition) -> tuple[int, str]:
        committed = self._library.committed(place, metadata=True, timeout_ms=ASK_MS)
        if committed is not None:
            return committed.offset, self._read_state(partition_name(*place), committed.metadata or "")
        match self._start:
            case "earliest":
                return self._library.beginning_offsets([place], timeout_ms=ASK_MS)[place], ""
            case "committed":
                raise SourceError(
                    f"{partition_name(*place)}: the group has committed no offset, and start is `committed`; "
                    "use earliest, latest or a time"
                )
            case int(at_ms):
                found = self._library.offsets_for_times({place: at_ms}, timeout_ms=ASK_MS)[place]
                return self._begin_at(place, self._end(place) if found is None else found.offset), ""
        return self._begin_at(place, self._end(place)), ""

    def _end(self, place: TopicPartition) -> int:
        return int(self._library.end_offsets([place], timeout_ms=ASK_MS)[place])

    def _begin_at(self, place: TopicPartition, offset: int) -> int:
        """Commit where we begin, or a restart before the first commit would begin later and lose what lies between."""
        self._library.commit({place: OffsetAndMetadata(offset, "", -1)}, timeout_ms=ASK_MS)
        return offset

    def _take(self, place: TopicPartition, offset: int, metadata: str) -> None:
        held = Held(next(self._generations), offset)
        self.held = {**self.held, place: held}
        self._put(Assigned(partition_name(*place), held.generation, offset, metadata))

    def _remove(self, places: Iterable[TopicPartition]) -> None:
        for place in places:
            self._put(Removed(partition_name(*place), self.held[place].generation))
        self.held = {place: held for place, held in self.held.items() if place not in set(places)}


def finish_join(consumer: KafkaConsumer) -> None:
    """A join that kafka-python would forget.

    Call it after each `poll` of a subscribed consumer, in the polling thread; polls of 50 ms and more. A poll whose
    time ran out leaves its join to the next one. Where new metadata was the reason to join (a topic of which nothing
    was known yet, a partition that was added), kafka-python 3.0.12 sees no reason any more in the next poll, never
    learns its partitions, and goes on sending heartbeats: the group gives it partitions that nobody reads.
    """
    coordinator = consumer._coordinator
    if coordinator.rejoining and not coordinator.need_rejoin():
        coordinator.request_rejoin()

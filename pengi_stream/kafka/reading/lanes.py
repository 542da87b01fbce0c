"""What is made of the records of each partition that is ours, and how far that is done."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pengi_stream.kafka.lane import Lane
from pengi_stream.kafka.reading.inbox import Arrival, Assigned, Lost, RawRecord, Records, Removed
from pengi_stream.kafka.reading.kept import Kept
from pengi_stream.protocols import Progress
from pengi_stream.types import CommitPosition

T = TypeVar("T")


class LaneReader(ABC, Generic[T]):
    """What becomes of the records of one partition. Called by one thread at a time; nothing blocks."""

    def begin(self) -> Iterable[T]:
        """Before its first record."""
        return ()

    @abstractmethod
    def take(self, record: RawRecord) -> Iterable[T]:
        """What `record` gives."""

    def wait(self) -> Iterable[T]:
        """Nothing came for a moment."""
        return ()

    def lose(self, reason: str) -> Iterable[T]:  # noqa: ARG002
        """Records were lost before the next one."""
        return ()

    def end(self) -> Iterable[T]:
        """It is another worker's now."""
        return ()

    def kept(self, position: CommitPosition) -> Kept:  # noqa: ARG002
        """What is to be kept with the offset, so that another reads on from there as this one would."""
        return Kept()


@dataclass(frozen=True, slots=True)
class Reached:
    """Up to where a partition is done."""

    lane: Lane
    offset: int
    kept: Kept


class Lanes(Generic[T]):
    """The partitions that are read. Arrivals come by the thread that reads; the rest may be called by any."""

    def __init__(self, open_lane: Callable[[Assigned], LaneReader[T]], progress: Progress | None) -> None:
        self._open_lane = open_lane
        self._progress = progress
        self._readers: dict[str, tuple[Lane, LaneReader[T]]] = {}
        self._lock = threading.Lock()

    def items(self, arrival: Arrival) -> Iterator[T]:
        """What `arrival` gives; nothing where its partition was taken away or assigned anew since."""
        if isinstance(arrival, Assigned):
            reader = self._open_lane(arrival)
            with self._lock:
                self._readers[arrival.lane.name] = arrival.lane, reader
                begun = list(reader.begin())
            yield from begun
            return
        found = self._reader(arrival.lane.name, arrival.lane.assignment)
        if found is None:
            return
        if isinstance(arrival, Records):
            for record in arrival.records:
                with self._lock:
                    taken = list(found.take(record))
                yield from taken
        else:
            yield from self._changed(arrival, found)

    def waited(self) -> Sequence[T]:
        """Nothing arrived for a moment: what that gives."""
        with self._lock:
            return [item for _, reader in self._readers.values() for item in reader.wait()]

    def reached(self, positions: Sequence[CommitPosition] | None = None) -> Sequence[Reached]:
        """How far each partition is done; of `positions`, or by the source's progress."""
        if positions is None:
            positions = self._progress.positions() if self._progress is not None else ()
        found = []
        with self._lock:
            for position in positions:
                lane, reader = self._readers.get(position.lane, (None, None))
                if lane is not None and reader is not None and lane.assignment == position.assignment:
                    found.append(Reached(lane, position.offset, reader.kept(position)))
        return found

    def revoke(self, lane: Lane) -> None:
        """Its work is stale from now on."""
        if self._progress is not None:
            self._progress.revoke(lane.name, lane.assignment)

    def _changed(self, arrival: Removed | Lost, reader: LaneReader[T]) -> Sequence[T]:
        with self._lock:
            if isinstance(arrival, Lost):
                return list(reader.lose(arrival.reason))
            del self._readers[arrival.lane.name]
            return list(reader.end())

    def _reader(self, name: str, assignment: int) -> LaneReader[T] | None:
        lane, reader = self._readers.get(name, (None, None))
        return reader if lane is not None and lane.assignment == assignment else None

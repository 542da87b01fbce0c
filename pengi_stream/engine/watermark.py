"""Up to where a source is done: positions that may be committed. No thread, no clock, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

from pengi_stream.types import Position


@dataclass(slots=True)
class _Partition:
    generation: int
    open: dict[int, int] = field(default_factory=dict)
    """Offset from which unfinished work must be replayed, by its key"""
    held: dict[str, int] = field(default_factory=dict)
    """Offset in which the next window of a stream begins"""
    read: int = -1
    committed: int = -1

    def safe(self) -> int:
        return min([self.read + 1, *self.open.values(), *self.held.values()])


class Watermark:
    """Tracks the work of one source's partitions.

    A position is committable when everything that begins before it is done. Work without a position (files,
    microphones) costs nothing. Work of an older generation of a partition is stale and ignored.
    """

    def __init__(self) -> None:
        self._partitions: dict[str, _Partition] = {}
        self._partition_of: dict[int, _Partition] = {}

    def opened(self, key: int, position: Position | None) -> None:
        """Work that a replay from `position` would make again is on its way."""
        partition = self._current(position)
        if position is not None and partition is not None:
            partition.open[key] = position.offset
            self._partition_of[key] = partition

    def done(self, key: int) -> None:
        """The work is durable."""
        partition = self._partition_of.pop(key, None)
        if partition is not None:
            del partition.open[key]

    def read(self, stream_id: str, position: Position, hold: Position | None) -> None:
        """The source was read up to and with `position`; the next window of `stream_id` begins at `hold`."""
        partition = self._current(position)
        if partition is None:
            return
        partition.read = max(partition.read, position.offset)
        partition.held.pop(stream_id, None)
        if hold is not None:
            partition.held[stream_id] = hold.offset

    def revoked(self, partition: str) -> None:
        """Forget `partition`: another worker has it."""
        self._partitions.pop(partition, None)

    def committable(self) -> list[Position]:
        """The positions that moved since they were last given: all before them is done."""
        moved = []
        for name, partition in self._partitions.items():
            safe = partition.safe()
            if safe > partition.committed:
                partition.committed = safe
                moved.append(Position(name, safe, partition.generation))
        return moved

    def _current(self, position: Position | None) -> _Partition | None:
        """The partition of `position`, begun anew where its generation is newer; None where it is stale."""
        if position is None:
            return None
        found = self._partitions.get(position.partition)
        if found is None or found.generation < position.generation:
            found = self._partitions[position.partition] = _Partition(position.generation)
        return found if found.generation == position.generation else None

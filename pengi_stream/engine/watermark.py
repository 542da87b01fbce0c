"""Up to where a source is done: positions that may be committed. No thread, no clock, no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pengi_stream.types import Position, Stream, StreamState


@dataclass(slots=True)
class _Life:
    """One stream of a partition, from its beginning to its end. What is open is in the order in which it came."""

    windows: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Offset from which the window must be replayed, and its first sample, by key"""
    items: dict[int, int] = field(default_factory=dict)
    """Offset of a gap, an end or a bad record, by key"""
    hold: int | None = None
    """Offset in which the next window begins"""
    next_sample: int = 0
    next_offset: int = 0
    last: int | None = None
    """Offset of its last record that was read; None: a replay will come to it"""

    def offsets(self) -> Iterator[int]:
        """From where a replay must begin."""
        if self.windows:
            yield next(iter(self.windows.values()))[0]
        if self.items:
            yield next(iter(self.items.values()))
        if self.hold is not None:
            yield self.hold

    def state(self, stream: Stream) -> StreamState:
        sample = next(iter(self.windows.values()))[1] if self.windows else self.next_sample
        return StreamState(stream, sample, next(iter(self.items.values()), self.next_offset))


@dataclass(slots=True)
class _Partition:
    generation: int
    lives: dict[Stream, _Life] = field(default_factory=dict)
    read: int = -1
    committed: int = -1

    def safe(self) -> int:
        """All before this offset is done; forgets the streams of which a replay from there would give nothing."""
        safe = min([self.read + 1, *(offset for life in self.lives.values() for offset in life.offsets())])
        for stream in [stream for stream, life in self.lives.items() if life.last is not None and life.last < safe]:
            del self.lives[stream]
        return safe


class Watermark:
    """Tracks the work of one source's partitions.

    A position is committable when everything that begins before it is done. Work without a position (files,
    microphones) costs nothing. Work of an older generation of a partition is stale and ignored. The windows of a stream
    are opened in their order.
    """

    def __init__(self) -> None:
        self._partitions: dict[str, _Partition] = {}
        self._oldest: dict[str, int] = {}  # generation that is not stale, where a partition was revoked
        self._life_of: dict[int, _Life] = {}

    def opened(self, key: int, stream: Stream, position: Position | None, first_sample: int | None = None) -> None:
        """Work that a replay from `position` would make again is on its way; windows have a first sample."""
        life = self._life(stream, position)
        if position is None or life is None:
            return
        self._life_of[key] = life
        if first_sample is None:
            life.items[key] = position.offset
            life.next_offset = max(life.next_offset, position.offset + 1)
        else:
            life.windows[key] = position.offset, first_sample
            life.next_sample = max(life.next_sample, first_sample + 1)

    def done(self, key: int) -> None:
        """The work is durable."""
        life = self._life_of.pop(key, None)
        if life is not None:
            life.windows.pop(key, None)
            life.items.pop(key, None)

    def is_stale(self, position: Position | None) -> bool:
        """Whether `position` is of an assignment that is over."""
        if position is None:
            return False
        found = self._partitions.get(position.partition)
        newest = found.generation if found else 0
        return position.generation < max(newest, self._oldest.get(position.partition, 0))

    def resumed(self, state: StreamState, position: Position) -> None:
        """What was done of a stream before a restart."""
        life = self._life(state.stream, position)
        if life is not None:
            life.next_sample, life.next_offset, life.last = state.next_sample, state.next_offset, None

    def read(self, stream: Stream, position: Position, hold: Position | None) -> None:
        """The source was read up to and with `position`; the next window of `stream` begins at `hold`."""
        life = self._life(stream, position)
        if life is None:
            return
        partition = self._partitions[position.partition]
        partition.read = max(partition.read, position.offset - position.more)
        life.hold = None if hold is None else hold.offset
        life.last = position.offset

    def revoked(self, partition: str, generation: int) -> None:
        """Forget `partition` as this and older generations had it: another worker has it."""
        self._oldest[partition] = generation + 1
        if partition in self._partitions and self._partitions[partition].generation <= generation:
            del self._partitions[partition]

    def committable(self) -> list[Position]:
        """The positions that moved since they were last given: all before them is done."""
        moved = []
        for name, partition in self._partitions.items():
            safe = partition.safe()
            if safe > partition.committed:
                partition.committed = safe
                moved.append(Position(name, safe, partition.generation))
        return moved

    def positions(self) -> list[Position]:
        """Where each partition that was read is, with the state of its streams."""
        found = []
        for name, partition in self._partitions.items():
            if partition.read >= 0:
                safe = partition.safe()
                states = tuple(life.state(stream) for stream, life in partition.lives.items())
                found.append(Position(name, safe, partition.generation, states=states))
        return found

    def _life(self, stream: Stream, position: Position | None) -> _Life | None:
        """The stream in the partition of `position`, begun anew where its generation is newer; None where stale."""
        if position is None or self.is_stale(position):
            return None
        found = self._partitions.get(position.partition)
        if found is None or found.generation < position.generation:
            found = self._partitions[position.partition] = _Partition(position.generation)
        return found.lives.setdefault(stream, _Life())

"""What the model was asked and what went around it, joined again in the order of each stream. No thread, no clock,
no I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass

from pengi_stream.engine.watermark import Work
from pengi_stream.outcomes import OrderedItem, Outcome
from pengi_stream.types import BadRecord

MOST_BYTES = 64 << 20
LIVE_ROOM = 8  # times what stored streams have: a live one that waits loses its oldest frames


@dataclass(frozen=True, slots=True)
class Expected:
    """A request is on its way to the model; what comes behind it in its stream waits for the answer."""

    sequence: int
    key: Hashable
    """Of its stream"""
    work: Work
    live: bool = False
    bytes: int = 0
    """Of the samples that come with the answer"""


@dataclass(frozen=True, slots=True)
class Passing:
    """What needs no model, in its place in the stream."""

    key: Hashable
    work: Work | None
    """None: nothing that a replay would give again"""
    item: OrderedItem
    live: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of requests, by their sequence numbers."""

    outcomes: tuple[tuple[int, Outcome], ...]


@dataclass(frozen=True, slots=True)
class Ordered:
    """In its turn."""

    work: Work | None
    item: OrderedItem


@dataclass(slots=True)
class _Slot:
    key: Hashable
    work: Work | None
    item: OrderedItem | None
    """None: the model has not answered yet"""
    bytes: int = 0


class Reorder:
    """A buffer that gives each item when all earlier items of its stream were given; streams pass one another.

    `capacity` and `most_bytes`, of samples and bad records, bound what waits of stored streams; live ones have eight
    times the room, and what was asked may always finish. One item has room however large it is. Requests that fail for
    good never finish: what waits behind them is dropped when the buffer is closed.
    """

    def __init__(self, capacity: int, most_bytes: int = MOST_BYTES) -> None:
        self._capacity = capacity
        self._most_bytes = most_bytes
        self._streams: dict[Hashable, deque[_Slot]] = {}
        self._asked: dict[int, _Slot] = {}
        self._ready: deque[tuple[Ordered, int]] = deque()  # with its bytes
        self._waiting = 0
        self._bytes = 0

    def has_room(self, item: Expected | Passing | Finished) -> bool:
        """False makes a stored stream wait."""
        if isinstance(item, Finished):
            return True
        more = LIVE_ROOM if item.live else 1
        size = item.bytes if isinstance(item, Expected) else _bytes(item.item)
        fits = size == 0 or self._bytes == 0 or self._bytes + size <= more * self._most_bytes
        return fits and len(self) < more * self._capacity

    def add(self, item: Expected | Passing | Finished, now_s: float) -> None:  # noqa: ARG002
        match item:
            case Expected():
                slot = self._asked[item.sequence] = _Slot(item.key, item.work, None, item.bytes)
                self._bytes += item.bytes
                self._append(slot)
            case Passing():
                size = _bytes(item.item)
                self._bytes += size
                if item.key in self._streams:
                    self._append(_Slot(item.key, item.work, item.item, size))
                else:
                    self._ready.append((Ordered(item.work, item.item), size))
            case Finished():
                for sequence, outcome in item.outcomes:
                    slot = self._asked.pop(sequence)
                    slot.item = outcome
                    self._release(slot.key)

    def take(self, now_s: float) -> Ordered | None:  # noqa: ARG002
        """What comes next; None: all that is here waits for the model."""
        if not self._ready:
            return None
        ordered, size = self._ready.popleft()
        self._bytes -= size
        return ordered

    def ready_at_s(self, now_s: float) -> float | None:  # noqa: ARG002
        return None

    def close(self) -> None:
        """Nothing will be added: what waits for unfinished requests is dropped."""
        self._streams.clear()
        self._asked.clear()
        self._waiting = 0
        self._bytes = sum(size for _, size in self._ready)

    def __len__(self) -> int:
        return self._waiting + len(self._ready)

    def _append(self, slot: _Slot) -> None:
        self._streams.setdefault(slot.key, deque()).append(slot)
        self._waiting += 1

    def _release(self, key: Hashable) -> None:
        slots = self._streams[key]
        while slots and slots[0].item is not None:
            slot = slots.popleft()
            self._waiting -= 1
            if slot.item is not None:
                self._ready.append((Ordered(slot.work, slot.item), slot.bytes))
        if not slots:
            del self._streams[key]


def _bytes(item: OrderedItem) -> int:
    """Of a bad record's value; of samples, their request has told."""
    return len(item.value or b"") if isinstance(item, BadRecord) else 0

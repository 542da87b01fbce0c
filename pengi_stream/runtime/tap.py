"""Frames as they came, in their own rate and channels, for whoever asks: clips, spectrograms, questions about the last
minutes. Nobody waits for it."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from pengi_stream.types import Frame, Gap, StreamEnd

MOST_BYTES = 64 << 20
MOST_BEHIND_BYTES = 16 << 20  # of one reader, before it loses the oldest

TapItem = Frame | Gap | StreamEnd


@dataclass(slots=True)
class _Kept:
    items: deque[TapItem] = field(default_factory=deque)
    bytes: int = 0


class Tap:
    """The last frames of every stream, `most_bytes` in all: the stream that holds most loses its oldest. With 0 it
    keeps none, and costs nothing while nobody reads. Any thread."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._streams: OrderedDict[str, _Kept] = OrderedDict()
        self._bytes = 0
        self._readers: list[TapReader] = []  # replaced, never changed
        self._lock = threading.Lock()

    def put(self, item: TapItem) -> None:
        """Keep `item` and hand it to the readers; never waits."""
        readers = self._readers
        size = _bytes(item)
        if self._most_bytes:
            self._keep(item, size)
        for reader in readers:
            reader.offer(item, size)

    def last(self, stream_id: str, seconds: float) -> Sequence[TapItem]:
        """What is kept of the last `seconds` of a stream, oldest first; whole frames."""
        with self._lock:
            kept = self._streams.get(stream_id)
            items = list(kept.items) if kept else []
        found: list[TapItem] = []
        left_s = seconds
        for item in reversed(items):
            if left_s <= 0:
                break
            found.append(item)
            left_s -= len(item.samples) / item.sample_rate if isinstance(item, Frame) else 0
        return found[::-1]

    def reader(self, streams: Sequence[str] | None = None) -> TapReader:
        """Gives what comes from now on, of `streams` alone or of all. Close it."""
        reader = TapReader(self, None if streams is None else frozenset(streams))
        with self._lock:
            self._readers = [*self._readers, reader]
        return reader

    def forget(self, reader: TapReader) -> None:
        """`reader` wants no more."""
        with self._lock:
            self._readers = [other for other in self._readers if other is not reader]

    def _keep(self, item: TapItem, size: int) -> None:
        with self._lock:
            kept = self._streams.setdefault(item.stream.id, _Kept())
            kept.items.append(item)
            kept.bytes += size
            self._bytes += size
            while self._bytes > self._most_bytes:
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        stream_id, largest = max(self._streams.items(), key=lambda entry: entry[1].bytes)
        dropped = largest.items.popleft()
        largest.bytes -= _bytes(dropped)
        self._bytes -= _bytes(dropped)
        if not largest.items:
            del self._streams[stream_id]


class TapReader:
    """One who looks. A reader that lags loses the oldest; `lost` counts them."""

    def __init__(self, tap: Tap, streams: frozenset[str] | None) -> None:
        self._tap = tap
        self._streams = streams
        self._items: deque[tuple[TapItem, int]] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._closed = False
        self.lost = 0
        """Items that it was too slow for"""

    def offer(self, item: TapItem, size: int) -> None:
        """The tap's: never waits."""
        if self._streams is not None and item.stream.id not in self._streams:
            return
        with self._changed:
            self._items.append((item, size))
            self._bytes += size
            while self._bytes > MOST_BEHIND_BYTES and len(self._items) > 1:
                self._bytes -= self._items.popleft()[1]
                self.lost += 1
            self._changed.notify_all()

    def get(self, wait_s: float) -> TapItem | None:
        """The next item; None after `wait_s` without one, or when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed, wait_s)
            if not self._items:
                return None
            item, size = self._items.popleft()
            self._bytes -= size
            return item

    def close(self) -> None:
        """No more is wanted. Any number of times."""
        self._tap.forget(self)
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def _bytes(item: TapItem) -> int:
    return item.samples.nbytes if isinstance(item, Frame) else 64

"""Which work is done in every required sink, and therefore which positions may be committed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pengi_stream.engine.watermark import Watermark
from pengi_stream.errors import SourceError
from pengi_stream.types import Position, Resumed, Revoked, SourceItem, Stream, Window, WindowItem


@dataclass(slots=True)
class _Open:
    source: int
    work: WindowItem
    parts: int


class Tracker:
    """The watermarks of all sources, shared by the stages that read them and the sinks. Any thread.

    Sources are known by their number; `commits` holds their `commit`, called in the order of the positions.
    """

    def __init__(self, commits: Sequence[Callable[[Position], None]]) -> None:
        self._commits = commits
        self._watermarks = [Watermark() for _ in commits]
        self._owners: dict[str, int] = {}
        self._open: dict[int, _Open] = {}
        self._followers: set[int] = set()
        self._lock = threading.Lock()

    def claim(self, source: int, stream: Stream) -> None:
        """`stream` belongs to `source` until released. Raises SourceError when another source has it."""
        with self._lock:
            if self._owners.setdefault(stream.id, source) != source:
                raise SourceError(f"two sources give a stream {stream.id!r}; give one of them another `stream_id`")

    def release(self, stream: Stream) -> None:
        """`stream` has ended."""
        with self._lock:
            self._owners.pop(stream.id, None)

    def opened(self, source: int, work: WindowItem, parts: int) -> None:
        """`work` is on its way, and will be `done` once for each of its parts."""
        first_sample = work.first_sample if isinstance(work, Window) else None
        with self._lock:
            self._open[id(work)] = _Open(source, work, parts)
            self._watermarks[source].opened(id(work), work.stream, work.position, first_sample)

    def advanced(self, source: int, item: SourceItem | Window, hold: Position | None) -> None:
        """`source` was read up to and with `item`; the next window of its stream begins at `hold`."""
        if item.position is None:
            return
        with self._lock:
            watermark = self._watermarks[source]
            match item:
                case Resumed():
                    watermark.resumed(item.state, item.position)
                case Revoked():
                    watermark.revoked(item.position.partition, item.position.generation)
                case _:
                    watermark.read(item.stream, item.position, hold)
                    self._commit(source)

    def done(self, work: WindowItem) -> bool:
        """One part of `work` is durable in a required sink; whether it was the last."""
        with self._lock:
            entry = self._open[id(work)]
            entry.parts -= 1
            if entry.parts > 0:
                return False
            del self._open[id(work)]
            self._watermarks[entry.source].done(id(work))
            if work.position is not None:
                self._commit(entry.source)
            return True

    def is_stale(self, source: int, item: SourceItem | Window) -> bool:
        """Whether `item` is of a partition that another worker has by now."""
        with self._lock:
            return self._watermarks[source].is_stale(item.position)

    def is_abandoned(self, work: WindowItem) -> bool:
        """Whether `work` is of a partition that another worker has by now, which gives its events."""
        with self._lock:
            entry = self._open.get(id(work))
            return entry is not None and self._watermarks[entry.source].is_stale(work.position)

    def progress(self, source: int) -> SourceProgress:
        """What `source` may know of its own work; from now on it is not told by `commit`."""
        self._followers.add(source)
        return SourceProgress(self._watermarks[source], self._lock)

    def _commit(self, source: int) -> None:
        if source in self._followers:
            return
        for position in self._watermarks[source].committable():
            self._commits[source](position)


@dataclass(frozen=True, slots=True)
class SourceProgress:
    """The Progress of one source. Any thread."""

    _watermark: Watermark
    _lock: threading.Lock

    def positions(self) -> Sequence[Position]:
        """See `Progress.positions`."""
        with self._lock:
            return self._watermark.positions()

    def revoke(self, partition: str, generation: int) -> None:
        """See `Progress.revoke`."""
        with self._lock:
            self._watermark.revoked(partition, generation)

"""Which work is done in every required sink, and therefore which positions may be committed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pengi_stream.engine.watermark import Watermark
from pengi_stream.errors import SourceError
from pengi_stream.types import Position, Stream, WindowItem


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
        with self._lock:
            self._open[id(work)] = _Open(source, work, parts)
            self._watermarks[source].opened(id(work), work.position)

    def advanced(self, source: int, stream: Stream, read: Position | None, hold: Position | None) -> None:
        """`source` was read up to and with `read`; the next window of `stream` begins at `hold`."""
        if read is None:
            return
        with self._lock:
            self._watermarks[source].read(stream.id, read, hold)
            self._commit(source)

    def done(self, work: WindowItem) -> None:
        """One part of `work` is durable in a required sink."""
        with self._lock:
            entry = self._open[id(work)]
            entry.parts -= 1
            if entry.parts == 0:
                del self._open[id(work)]
                self._watermarks[entry.source].done(id(work))
                if work.position is not None:
                    self._commit(entry.source)

    def _commit(self, source: int) -> None:
        for position in self._watermarks[source].committable():
            self._commits[source](position)

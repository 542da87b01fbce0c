"""Which work is done in every required sink, and therefore which positions may be committed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from pengi_stream.engine.watermark import States, Watermark, Work
from pengi_stream.errors import ConfigError
from pengi_stream.outcomes import StatusChange, WindowItem
from pengi_stream.positions import ReadPosition
from pengi_stream.types import BadRecord, CommitPosition, Gap, Resumed, Revoked, SourceItem, Stream, StreamEnd


class Tracker:
    """The watermarks of all sources, shared by the stages that read them and the sinks. Any thread.

    Sources are known by their number. Work is done when `sinks` of them say so.
    """

    def __init__(self, sources: int, sinks: int) -> None:
        self._watermarks = [Watermark() for _ in range(sources)]
        self._sinks = sinks
        self._owners: dict[str, int] = {}
        self._open: dict[int, int] = {}  # how many sinks each work waits for
        self._numbers = count()
        self._lock = threading.Lock()

    def claim(self, source: int, stream: Stream) -> None:
        """`stream` belongs to `source` until released. Raises ConfigError when another source has it."""
        with self._lock:
            if self._owners.setdefault(stream.id, source) != source:
                raise ConfigError(f"two sources give a stream {stream.id!r}; give one of them another `stream_id`")

    def release(self, stream: Stream) -> None:
        """`stream` has ended."""
        with self._lock:
            self._owners.pop(stream.id, None)

    def opened(self, source: int, item: WindowItem | StatusChange) -> Work:
        """`item`, or an answer about it, is on its way."""
        first_sample = None if isinstance(item, Gap | StreamEnd | BadRecord | StatusChange) else item.first_sample
        with self._lock:
            work = Work(next(self._numbers), source, item.stream, item.position, first_sample)
            self._open[work.number] = max(1, self._sinks)
            self._watermarks[source].opened(work)
            return work

    def interpreted(self, work: Work, states: States) -> None:
        """Behind `work` the stages know `states`, those that changed."""
        with self._lock:
            self._watermarks[work.source].interpreted(work, states)

    def advanced(self, source: int, item: SourceItem | WindowItem, replay_from: ReadPosition | None) -> None:
        """`source` was read up to and with `item`; the next window of its stream begins at `replay_from`."""
        if item.position is None:
            return
        with self._lock:
            watermark = self._watermarks[source]
            match item:
                case Resumed():
                    watermark.resumed(item.state, item.position)
                case Revoked():
                    watermark.revoked(item.position.lane, item.position.assignment)
                case _:
                    watermark.read(item.stream, item.position, replay_from)

    def done(self, work: Work) -> bool:
        """`work` is durable in a required sink; whether it was the last."""
        with self._lock:
            self._open[work.number] -= 1
            if self._open[work.number] > 0:
                return False
            self._finish(work)
            return True

    def finished(self, work: Work) -> None:
        """`work` has nothing to give to any sink."""
        with self._lock:
            self._finish(work)

    def is_stale(self, source: int, position: ReadPosition | None) -> bool:
        """Whether `position` is of a lane that another worker has by now, which gives its events."""
        with self._lock:
            return self._watermarks[source].is_stale(position)

    def committable(self, source: int) -> Sequence[CommitPosition]:
        """The positions of `source` that moved since they were last given: all before them is done."""
        with self._lock:
            return self._watermarks[source].committable()

    def progress(self, source: int) -> SourceProgress:
        """What `source` may know of its own work."""
        return SourceProgress(self._watermarks[source], self._lock)

    def _finish(self, work: Work) -> None:
        del self._open[work.number]
        self._watermarks[work.source].done(work)


@dataclass(frozen=True, slots=True)
class SourceProgress:
    """The Progress of one source. Any thread."""

    _watermark: Watermark
    _lock: threading.Lock

    def positions(self) -> Sequence[CommitPosition]:
        """See `Progress.positions`."""
        with self._lock:
            return self._watermark.positions()

    def revoke(self, lane: str, assignment: int) -> None:
        """See `Progress.revoke`."""
        with self._lock:
            self._watermark.revoked(lane, assignment)

"""From work that is done to the sources that want to know it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from pengi_stream.engine.watermark import Work
from pengi_stream.protocols import Source
from pengi_stream.runtime.tracker import Tracker


class Commits:
    """Tells the tracker what is done, and `told`, sources by their number, what they may commit. Any thread."""

    def __init__(self, tracker: Tracker, told: Mapping[int, Source]) -> None:
        self._tracker = tracker
        self._told = told
        self._lock = threading.Lock()  # positions are told in their order

    def done(self, works: Sequence[Work]) -> None:
        """`works` are durable in a required sink."""
        for work in works:
            if self._tracker.done(work):
                self._tell(work)

    def finished(self, work: Work) -> None:
        """`work` has nothing to give to any sink."""
        self._tracker.finished(work)
        self._tell(work)

    def is_stale(self, work: Work) -> bool:
        """Whether another worker has it by now, and gives its events."""
        return self._tracker.is_stale(work.source, work.position)

    def moved(self, source: int) -> None:
        """`source` was read on."""
        told = self._told.get(source)
        if told is not None:
            with self._lock:
                for position in self._tracker.committable(source):
                    told.commit(position)

    def _tell(self, work: Work) -> None:
        if work.position is not None:
            self.moved(work.source)

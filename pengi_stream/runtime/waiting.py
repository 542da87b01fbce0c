"""What waits between a source and its windower: as much as fits, whatever the length of a frame."""

from __future__ import annotations

from pengi_stream.runtime.channel import Fifo
from pengi_stream.types import Frame, SourceItem, Window

MOST_SAMPLES = 16 << 20  # 64 MB


class WaitingAudio(Fifo[SourceItem | Window]):
    """First in, first out; full means waiting. One item has room however long it is."""

    def __init__(self, capacity: int, most_samples: int = MOST_SAMPLES) -> None:
        super().__init__(capacity)
        self._most_samples = most_samples
        self._samples = 0

    def has_room(self, item: SourceItem | Window) -> bool:
        fits = len(self) == 0 or self._samples + _samples(item) <= self._most_samples
        return fits and super().has_room(item)

    def add(self, item: SourceItem | Window, now_s: float) -> None:
        super().add(item, now_s)
        self._samples += _samples(item)

    def take(self, now_s: float) -> SourceItem | Window | None:
        item = super().take(now_s)
        self._samples -= 0 if item is None else _samples(item)
        return item


def _samples(item: SourceItem | Window) -> int:
    return item.samples.size if isinstance(item, Frame | Window) else 0

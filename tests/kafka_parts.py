"""What tests of single parts of Kafka share."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from pengi_stream.outcomes import WindowItem
from pengi_stream.types import CommitPosition, Resumed, Revoked, SourceItem, Stream, StreamState


class AtOnce:
    """A Progress: what is taken is done as soon as it comes."""

    def __init__(self) -> None:
        self.revoked: list[tuple[str, int]] = []
        self._lock = threading.Lock()
        self._positions: dict[str, CommitPosition] = {}
        self._states: dict[str, dict[Stream, StreamState]] = {}

    def take(self, item: SourceItem | WindowItem | Resumed | Revoked) -> None:
        if item.position is None or isinstance(item, Resumed | Revoked):
            return
        position = item.position
        with self._lock:
            before = self._positions.get(position.lane)
            offset = position.offset + (not position.more)
            if before is not None and before.assignment == position.assignment:
                offset = max(offset, before.offset)
            self._positions[position.lane] = CommitPosition(position.lane, offset, position.assignment)

    def know(self, lane: str, state: StreamState) -> None:
        """From now on `state` is told of the lane."""
        with self._lock:
            self._states.setdefault(lane, {})[state.stream] = state

    def positions(self) -> Sequence[CommitPosition]:
        with self._lock:
            return [
                CommitPosition(each.lane, each.offset, each.assignment, tuple(self._states.get(each.lane, {}).values()))
                for each in self._positions.values()
            ]

    def revoke(self, lane: str, assignment: int) -> None:
        with self._lock:
            self.revoked.append((lane, assignment))
            self._positions.pop(lane, None)

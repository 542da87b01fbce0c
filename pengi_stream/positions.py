"""Places in a source that can be replayed. The core passes them on; what they mean only their source knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReadPosition:
    """Where an item was read; it comes with the item."""

    lane: str
    """What is read in one order and committed by itself: a partition, a file"""
    offset: int
    """Its place in the order of the lane; holes are normal"""
    assignment: int = 0
    """Number of the assignment that read it; work of an older one is stale."""
    more: bool = False
    """Further items of the same place follow this one."""

    @property
    def origin(self) -> Mapping[str, str | int]:
        """What a user finds it by."""
        return {"lane": self.lane, "offset": self.offset}

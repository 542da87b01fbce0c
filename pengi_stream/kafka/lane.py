"""A partition as one assignment of it: what is read, and committed, in one order. Imports nothing of kafka-python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pengi_stream.positions import ReadPosition


@dataclass(frozen=True, slots=True)
class RecordPosition(ReadPosition):
    """Where a record lies."""

    topic: str = ""
    partition: int = 0

    @property
    def origin(self) -> Mapping[str, str | int]:
        return {"topic": self.topic, "partition": self.partition, "offset": self.offset}


@dataclass(frozen=True, slots=True)
class Lane:
    """A partition that is, or was, ours."""

    topic: str
    partition: int
    assignment: int = 0
    """Number of the assignment, among all of this worker"""

    @property
    def name(self) -> str:
        """What a position calls it; no topic has a slash in its name."""
        return f"{self.topic}/{self.partition}"

    def position(self, offset: int, *, more: bool = False) -> RecordPosition:
        """Of the record at `offset`."""
        return RecordPosition(self.name, offset, self.assignment, more, self.topic, self.partition)

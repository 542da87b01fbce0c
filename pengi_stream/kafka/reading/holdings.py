"""Which partitions are ours, and as which member of the group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kafka import TopicPartition
from kafka.structs import ConsumerGroupMetadata

from pengi_stream.kafka.lane import Lane


@dataclass(slots=True)
class Held:
    """A partition of ours."""

    lane: Lane
    next_offset: int
    time_ms: int = 0
    """Time stamp of the last record that was fetched"""

    @property
    def partition(self) -> TopicPartition:
        return TopicPartition(self.lane.topic, self.lane.partition)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is ours by the same word of the group. A commit in its name is refused once the group has moved on."""

    group: ConsumerGroupMetadata
    held: Mapping[str, Held] = field(default_factory=dict)
    """By the name of its lane"""


class Holdings:
    """Changed by the polling thread, as a whole; any thread may look."""

    def __init__(self, group_id: str) -> None:
        self.now = Standing(ConsumerGroupMetadata(group_id=group_id))

    @property
    def held(self) -> Mapping[str, Held]:
        """By the name of its lane"""
        return self.now.held

    @property
    def partitions(self) -> set[TopicPartition]:
        return {held.partition for held in self.held.values()}

    def of(self, lane: str, assignment: int) -> Held | None:
        """What is ours of `lane`, unless it was assigned anew since."""
        held = self.held.get(lane)
        return held if held is not None and held.lane.assignment == assignment else None

    def take(self, held: Held) -> None:
        """It is ours from now on."""
        self.now = Standing(self.now.group, {**self.held, held.lane.name: held})

    def drop(self, lanes: Iterable[Lane]) -> None:
        """They are ours no more."""
        gone = {lane.name for lane in lanes}
        self.now = Standing(self.now.group, {name: held for name, held in self.held.items() if name not in gone})

    def joined(self, group: ConsumerGroupMetadata) -> None:
        """The group has said, as `group`, that all of these are ours."""
        self.now = Standing(group, self.held)

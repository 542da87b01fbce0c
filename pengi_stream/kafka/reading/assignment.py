"""Which partitions are ours, and from where on they are read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import count

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener
from kafka.coordinator.base import MemberState
from kafka.errors import KafkaError

from pengi_stream.errors import BrokerError
from pengi_stream.kafka.lane import Lane
from pengi_stream.kafka.reading.beginning import Beginning
from pengi_stream.kafka.reading.commits import Commits
from pengi_stream.kafka.reading.holdings import Held, Holdings
from pengi_stream.kafka.reading.inbox import Assigned, Inbox, Lost, Removed
from pengi_stream.kafka.reading.kept import Kept
from pengi_stream.kafka.reading.ledger import Ledger
from pengi_stream.kafka.reading.states import StateTopic

log = structlog.get_logger()


class Listener(AsyncConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """Notes what happens on kafka-python's IO thread, where nothing may block."""

    def __init__(self, library: KafkaConsumer) -> None:
        self._library = library
        self._lost: set[TopicPartition] = set()

    def take_lost(self) -> set[TopicPartition]:
        """Partitions that others may have had since this was asked last."""
        lost, self._lost = self._lost, set()
        return lost

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Nobody else gets them before we join again: `Assignment.settle` has the time to commit."""

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._library.pause(*assigned)

    async def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        self._lost |= set(lost)


class Assignment:
    """Follows rebalances. Polling thread only.

    They are cooperative: what stays ours is read on as if nothing had happened; what becomes another's is taken from us
    first, and given to it when we join the next time, so that there is time to commit what is done of it.
    """

    def __init__(
        self,
        library: KafkaConsumer,
        listener: Listener,
        holdings: Holdings,
        beginning: Beginning,
        inbox: Inbox,
        commits: Commits,
        states: StateTopic,
    ) -> None:
        self._library = library
        self._listener = listener
        self._holdings = holdings
        self._beginning = beginning
        self._inbox = inbox
        self._commits = commits
        self._states = states
        self._assignments = count(1)

    def settle(self) -> bool:
        """Take over what a poll changed; whether anything was. Raises SourceError; may block for seconds."""
        ours, lost = set(self._library.assignment()), self._listener.take_lost()
        gone = [held for held in self._holdings.held.values() if held.partition in lost or held.partition not in ours]
        if gone:
            self._commits.give_up([held.lane for held in gone if held.partition in lost])
            self._commits.hand_over([held.lane for held in gone if held.partition not in lost])
            self._remove([held.lane for held in gone])
        new = sorted(ours - self._holdings.partitions)
        settled = self._settle(new)
        if gone or settled:
            log.info("rebalanced", partitions=sorted(self._holdings.held), removed=len(gone))
        group = self._library.group_metadata()
        if group.state is MemberState.STABLE:
            self._holdings.joined(group)
        return bool(gone) or settled

    def out_of_range(self, partitions: Mapping[TopicPartition, int]) -> None:
        """Go on where the broker has records."""
        for partition, wanted in partitions.items():
            held = self._holdings.held.get(Lane(*partition).name)
            if held is None:
                continue
            first = self._library.beginning_offsets([partition])[partition]
            log.error("offset_out_of_range", partition=held.lane.name, wanted=wanted, first=first)
            self._library.seek(partition, first)
            if wanted < first:
                held.next_offset = first
                reason = f"offsets {wanted} to {first - 1} of {held.lane.name} were deleted before they were read"
                self._inbox.put(Lost(held.lane, reason))
            else:  # the topic was made anew, or lost its end: what was counted means nothing there
                self._commits.give_up([held.lane])
                self._remove([held.lane])
                self._take(partition, first, Kept(), self._states.new_ledger())

    def _settle(self, partitions: Sequence[TopicPartition]) -> bool:
        """Begin to read `partitions`; whether any could be."""
        places = {partition: place for partition in partitions if (place := self._where(partition)) is not None}
        try:
            kept = self._states.open({Lane(*partition).name: text for partition, (_, text) in places.items()})
        except BrokerError as error:
            if error.retry_after_s is None:
                raise
            log.warning("states_unknown", reason=str(error))
            return False
        for partition, (offset, _) in places.items():
            self._library.seek(partition, offset)
            self._take(partition, offset, *kept[Lane(*partition).name])
        return bool(places)

    def _where(self, partition: TopicPartition) -> tuple[int, str] | None:
        try:
            return self._beginning.where(partition)
        except KafkaError as error:
            if not error.retriable:
                raise
            log.warning("offset_unknown", partition=Lane(*partition).name, reason=repr(error))
            return None

    def _take(self, partition: TopicPartition, offset: int, kept: Kept, ledger: Ledger) -> None:
        lane = Lane(partition.topic, partition.partition, next(self._assignments))
        self._commits.take(lane, ledger)
        self._holdings.take(Held(lane, offset))
        self._inbox.put(Assigned(lane, offset, kept))

    def _remove(self, lanes: Collection[Lane]) -> None:
        self._holdings.drop(lanes)
        for lane in lanes:
            self._inbox.put(Removed(lane))


def finish_join(consumer: KafkaConsumer) -> None:
    """A join that kafka-python would forget.

    Call it after each `poll` of a subscribed consumer, in the polling thread; polls of 50 ms and more. A poll whose
    time ran out leaves its join to the next one. Where new metadata was the reason to join (a topic of which nothing
    was known yet, a partition that was added), kafka-python 3.0.12 sees no reason any more in the next poll, never
    learns its partitions, and goes on sending heartbeats: the group gives it partitions that nobody reads.
    """
    coordinator = consumer._coordinator
    if coordinator.rejoining and not coordinator.need_rejoin():
        coordinator.request_rejoin()

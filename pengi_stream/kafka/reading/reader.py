"""What every source of Kafka shares: a member of the group polls, a thread of ours turns records into items."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from pengi_stream.clock import Deadline
from pengi_stream.kafka.client.transactions import Place
from pengi_stream.kafka.reading.consumer import Consumer
from pengi_stream.kafka.reading.inbox import Assigned, Inbox
from pengi_stream.kafka.reading.lanes import LaneReader, Lanes
from pengi_stream.kafka.reading.options import ConsumerOptions
from pengi_stream.protocols import Context
from pengi_stream.status import Status
from pengi_stream.types import CommitPosition

T = TypeVar("T")
WAIT_S = 0.5


class GroupReader(Generic[T]):
    """The partitions that the group gives us, each read by what `open_lane` makes for it.

    Commits what `context.progress` calls done, unless a transaction does.
    """

    def __init__(
        self, options: ConsumerOptions, open_lane: Callable[[Assigned], LaneReader[T]], context: Context
    ) -> None:
        self._inbox = Inbox(options.buffer_bytes)
        self._lanes = Lanes(open_lane, context.progress)
        self._consumer = Consumer(options, self._inbox, self._lanes, context)

    def items(self) -> Iterator[T]:
        """Until `close`. Raises SourceError. Once."""
        self._consumer.start()
        while not self._inbox.closed:
            arrival = self._inbox.take(WAIT_S)
            yield from self._lanes.waited() if arrival is None else self._lanes.items(arrival)

    def status(self) -> Status:
        """See `Source.status`."""
        return self._consumer.status()

    def close(self) -> None:
        """See `Source.close`."""
        self._consumer.close()

    def finish(self, deadline: Deadline) -> None:
        """See `Source.finish`."""
        self._consumer.finish(deadline)

    def place(self, positions: Sequence[CommitPosition]) -> Place | None:
        """Those of `positions` that are still ours, for a transaction. Any thread; does not block."""
        return self._consumer.place(positions)

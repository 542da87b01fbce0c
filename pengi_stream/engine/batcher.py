"""Which requests go through the model together, and when. No thread, no clock, no I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice

from pengi_stream.options import DecodingOptions
from pengi_stream.types import Batch, Request, Stream

MOST_LIVE = 1024  # requests of live streams that wait; with windows of 0.4 MB they hold 0.4 GB at most


@dataclass(frozen=True, slots=True)
class Shed:
    """A request that was given up because it waited too long."""

    request: Request
    reason: str


@dataclass(slots=True)
class _Queue:
    """What one stream waits for, in order, with the time at which it came."""

    stream: Stream
    items: deque[tuple[float, Request]] = field(default_factory=deque)

    def requests(self) -> Iterator[Request]:
        return (request for _, request in self.items)

    def remove(self, taken: set[int]) -> None:
        self.items = deque(entry for entry in self.items if id(entry[1]) not in taken)


class Batcher:
    """A buffer that turns requests into batches.

    A batch shares options and labels. It is ready when `max_batch_size` such requests wait, or when the oldest has
    waited `max_wait_s`. Streams take turns, live before stored. Live requests older than `max_age_s` are shed.
    For each prompt, the requests of a stream leave in order.
    """

    def __init__(self, *, max_batch_size: int, max_wait_s: float, max_age_s: float, capacity: int) -> None:
        self._max_batch_size = max_batch_size
        self._max_wait_s = max_wait_s
        self._max_age_s = max_age_s
        self._capacity = capacity
        self._live: dict[str, _Queue] = {}  # in the order of their turns
        self._stored: dict[str, _Queue] = {}
        self._waiting = {True: 0, False: 0}  # requests, by `live`
        self._closed = False

    def has_room(self, item: Request) -> bool:
        """False makes a stored stream wait; live streams never do."""
        return item.stream.live or self._waiting[False] < self._capacity

    def add(self, item: Request, now_s: float) -> None:
        queues = self._live if item.stream.live else self._stored
        queues.setdefault(item.stream.id, _Queue(item.stream)).items.append((now_s, item))
        self._waiting[item.stream.live] += 1

    def take(self, now_s: float) -> Batch | Shed | None:
        """What is ready at `now_s` (monotonic); None: nothing."""
        return self._shed(now_s) or self._batch(now_s)

    def ready_at_s(self, now_s: float) -> float | None:
        """When a batch will be ready although nothing is added; None: nothing waits."""
        oldest_s = self._oldest_s()
        return None if oldest_s is None else max(now_s, oldest_s + self._max_wait_s)

    def close(self) -> None:
        """Nothing will be added: what waits is ready."""
        self._closed = True

    def __len__(self) -> int:
        return sum(len(queue.items) for queue in self._queues())

    def _queues(self) -> Iterator[_Queue]:
        return chain(self._live.values(), self._stored.values())

    def _oldest_s(self) -> float | None:
        return min((queue.items[0][0] for queue in self._queues()), default=None)

    def _shed(self, now_s: float) -> Shed | None:
        if not self._waiting[True]:
            return None
        oldest = min(
            (next(queue.requests()) for queue in self._live.values()), key=lambda request: request.window.ready_s
        )
        if now_s - oldest.window.ready_s > self._max_age_s:
            reason = f"waited longer than max_age_s ({self._max_age_s:g} s)"
        elif self._waiting[True] > MOST_LIVE:
            reason = f"more than {MOST_LIVE} live requests waited"
        else:
            return None
        self._remove([oldest])
        return Shed(oldest, reason)

    def _batch(self, now_s: float) -> Batch | None:
        requests = self._compatible()
        oldest_s = self._oldest_s()
        if not requests or oldest_s is None:
            return None
        if len(requests) < self._max_batch_size and not self._closed and now_s < oldest_s + self._max_wait_s:
            return None
        self._remove(requests)
        return Batch(tuple(requests))

    def _compatible(self) -> list[Request]:
        """Up to `max_batch_size` requests like the first one in turn: live streams first."""
        first = next((next(queue.requests()) for queue in self._queues()), None)
        if first is None:
            return []
        like = _kind(first)
        in_turn = chain(_round_robin(self._live.values(), like), _round_robin(self._stored.values(), like))
        return list(islice(in_turn, self._max_batch_size))

    def _remove(self, requests: list[Request]) -> None:
        """Take `requests` out; their streams go to the back of the turns."""
        taken = {id(request) for request in requests}
        for stream in {request.stream.id: request.stream for request in requests}.values():
            queues = self._live if stream.live else self._stored
            queue = queues.pop(stream.id)
            queue.remove(taken)
            if queue.items:
                queues[stream.id] = queue
        for request in requests:
            self._waiting[request.stream.live] -= 1


def _kind(request: Request) -> tuple[DecodingOptions, tuple[str, ...]]:
    """What the requests of a batch share."""
    return request.prompt.options, request.prompt.labels


def _round_robin(queues: Iterable[_Queue], like: object) -> Iterator[Request]:
    """Requests of the kind `like`, one of each stream a round."""
    turns = deque((request for request in queue.requests() if _kind(request) == like) for queue in queues)
    while turns:
        turn = turns.popleft()
        if (request := next(turn, None)) is not None:
            yield request
            turns.append(turn)

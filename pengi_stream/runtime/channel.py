"""The one way from a stage to the next: bounded, closable, and as clever as the buffer inside."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from pengi_stream.clock import Clock, SystemClock

In_contra = TypeVar("In_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)
T = TypeVar("T")
S = TypeVar("S")


class ChannelClosed(Exception):  # noqa: N818  a signal between stages, not a fault
    """Nobody reads this channel any more."""


class Buffer(Protocol[In_contra, Out_co]):
    """What waits in a channel: pure logic, called under the channel's lock."""

    def has_room(self, item: In_contra) -> bool:
        """False makes the producer wait."""
        ...

    def add(self, item: In_contra, now_s: float) -> None: ...

    def take(self, now_s: float) -> Out_co | None:
        """The next thing for the consumer; None while nothing is ready."""
        ...

    def ready_at_s(self, now_s: float) -> float | None:
        """When `take` will give something although nothing is added; None: not before the next `add`."""
        ...

    def close(self) -> None:
        """Nothing will be added: what is left is ready now."""
        ...

    def __len__(self) -> int: ...


class Channel(Generic[S, T]):
    """Takes items from one or many producers and gives what the buffer makes of them to consumers.

    The buffer decides the overflow policy: without room `put` blocks, a buffer that drops always has room.
    """

    def __init__(self, buffer: Buffer[S, T], *, producers: int = 1, clock: Clock | None = None) -> None:
        self._buffer = buffer
        self._producers = producers
        self._clock = clock or SystemClock()
        self._changed = threading.Condition()
        self._aborted = False

    def put(self, item: S) -> None:
        """Add `item`; blocks while there is no room. Raises ChannelClosed when nobody reads any more."""
        with self._changed:
            while not self._aborted and not self._buffer.has_room(item):
                self._changed.wait()
            if self._aborted:
                raise ChannelClosed
            self._buffer.add(item, self._clock.monotonic_s())
            self._changed.notify_all()

    def get(self) -> T | None:
        """The next item; blocks until there is one. None: the channel is closed and empty.

        Raises ChannelClosed after `abort`.
        """
        return self._get(math.inf)

    def get_many(self, most: int, wait_s: float = math.inf) -> list[T]:
        """At least one item, as `get`, and with it what else is ready, `most` at most; empty: closed.

        Raises TimeoutError when nothing comes in `wait_s`."""
        first = self._get(wait_s)
        if first is None:
            return []
        items = [first]
        with self._changed:
            now_s = self._clock.monotonic_s()
            while len(items) < most and (item := self._buffer.take(now_s)) is not None:
                items.append(item)
            self._changed.notify_all()
        return items

    def _get(self, wait_s: float) -> T | None:
        with self._changed:
            until_s = self._clock.monotonic_s() + wait_s
            while True:
                if self._aborted:
                    raise ChannelClosed
                now_s = self._clock.monotonic_s()
                item = self._buffer.take(now_s)
                if item is not None:
                    self._changed.notify_all()
                    return item
                if self._producers == 0 and len(self._buffer) == 0:
                    return None
                if now_s >= until_s:
                    raise TimeoutError
                ready_at_s = self._buffer.ready_at_s(now_s)
                wake_s = until_s if ready_at_s is None else min(until_s, ready_at_s)
                self._changed.wait(None if wake_s == math.inf else max(0.0, wake_s - now_s))

    def close(self) -> None:
        """One producer is done; after the last one, consumers get the rest and then None."""
        with self._changed:
            self._producers -= 1
            if self._producers == 0:
                self._buffer.close()
            self._changed.notify_all()

    def abort(self) -> None:
        """Nobody reads any more: producers and consumers get ChannelClosed."""
        with self._changed:
            self._aborted = True
            self._changed.notify_all()

    def __len__(self) -> int:
        with self._changed:
            return len(self._buffer)


class Fifo(Generic[T]):
    """First in, first out; full means waiting."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: deque[T] = deque()

    def has_room(self, item: T) -> bool:  # noqa: ARG002
        return len(self._items) < self._capacity

    def add(self, item: T, now_s: float) -> None:  # noqa: ARG002
        self._items.append(item)

    def take(self, now_s: float) -> T | None:  # noqa: ARG002
        return self._items.popleft() if self._items else None

    def ready_at_s(self, now_s: float) -> float | None:  # noqa: ARG002
        return None

    def close(self) -> None:
        """Nothing to do: all that waits is ready."""

    def __len__(self) -> int:
        return len(self._items)


class DropOldest(Fifo[T]):
    """First in, first out; full means that the oldest item that may be dropped is dropped and reported."""

    def __init__(self, capacity: int, droppable: Callable[[T], bool], on_drop: Callable[[T], None]) -> None:
        super().__init__(capacity)
        self._droppable = droppable
        self._on_drop = on_drop

    def has_room(self, item: T) -> bool:  # noqa: ARG002
        return True

    def add(self, item: T, now_s: float) -> None:
        super().add(item, now_s)
        if len(self._items) > self._capacity:
            for i, oldest in enumerate(self._items):
                if self._droppable(oldest):
                    del self._items[i]
                    self._on_drop(oldest)
                    return

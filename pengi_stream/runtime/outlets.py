"""From events to sinks: one thread a sink, so that a slow one delays no other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from pengi_stream.clock import Clock, Deadline
from pengi_stream.errors import SinkError
from pengi_stream.metrics import Metrics
from pengi_stream.protocols import EventSink, Watched, WindowSink
from pengi_stream.runtime.channel import Channel, DropOldest, Fifo
from pengi_stream.runtime.tracker import Tracker
from pengi_stream.status import Status
from pengi_stream.types import NS_PER_S, BadRecord, Event, Window, WindowItem

log = structlog.get_logger()

CAPACITY = 1024  # deliveries that wait for a slow sink
WINDOWS_CAPACITY = 32  # likewise, of windows, which are some 0.5 MB each
MOST_AT_ONCE = 256  # deliveries between two flushes
FLUSH_S = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """A part of some work that is done, and the events that it made, perhaps none."""

    work: WindowItem
    events: tuple[Event, ...]
    bad: BadRecord | None = None
    """What is to be a dead letter, where it is kept by the sink's transaction"""


@dataclass(frozen=True, slots=True)
class NamedSink:
    """A sink with what the pipeline must know of it."""

    name: str
    sink: EventSink | WindowSink
    required: bool


@dataclass(frozen=True, slots=True)
class OutletTools:
    """What all outlets of a pipeline share."""

    tracker: Tracker
    metrics: Metrics
    clock: Clock
    give_up_after_s: float
    """A required sink that refuses for so long ends the run."""
    stopping: threading.Event


class Outlet:
    """Writes deliveries to one sink, and tells the tracker when they are durable."""

    def __init__(self, named: NamedSink, tools: OutletTools) -> None:
        self.name = named.name
        self.required = named.required
        self._sink = named.sink
        self._tools = tools
        self._waits_for = ""
        for outcome in ("durable", "dropped"):  # 0 is shown too: a rate needs where a counter began
            tools.metrics.events.labels(self.name, outcome)
        capacity = WINDOWS_CAPACITY if isinstance(named.sink, WindowSink) else CAPACITY
        buffer = Fifo[Delivery](capacity) if named.required else DropOldest(CAPACITY, lambda _: True, self._dropped)
        self.channel: Channel[Delivery, Delivery] = Channel(buffer, clock=tools.clock)

    def work(self) -> None:
        """Until the channel ends. Raises SinkError when a required sink has refused for too long."""
        try:
            self._reach()
            while deliveries := self.channel.get_many(MOST_AT_ONCE):
                self._deliver(deliveries)
        finally:
            self._sink.close()

    def status(self) -> Status:
        """How the sink is; stalled while it refuses. Any thread."""
        if waits_for := self._waits_for:
            return Status("stalled", waits_for)
        return self._sink.status() if isinstance(self._sink, Watched) else Status("running")

    def _reach(self) -> None:
        """A flush of nothing tells that the sink is there, before any audio is spent on it."""
        try:
            self._until_accepted(lambda: self._sink.flush(Deadline(FLUSH_S, self._tools.clock)))
        except SinkError as error:
            if self.required:
                raise
            log.warning("sink_away", sink=self.name, reason=str(error))

    def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        fresh = [delivery for delivery in deliveries if not self._tools.tracker.is_abandoned(delivery.work)]
        if size := sum(map(self._size, fresh)):
            try:
                self._until_accepted(lambda: self._write(fresh))
                self._until_accepted(lambda: self._sink.flush(Deadline(FLUSH_S, self._tools.clock)))
            except SinkError as error:
                if self.required:
                    raise
                log.error("events_lost", sink=self.name, events=size, reason=str(error))
                self._tools.metrics.events.labels(self.name, "dropped").inc(size)
                return
        self._written(fresh)
        if self.required:
            for delivery in deliveries:
                self._tools.tracker.done(delivery.work)

    def _write(self, deliveries: Sequence[Delivery]) -> None:
        if isinstance(self._sink, WindowSink):
            self._sink.write([delivery.work for delivery in deliveries])
        else:
            self._sink.write([event for delivery in deliveries for event in delivery.events])

    def _size(self, delivery: Delivery) -> int:
        """How much of `delivery` the sink takes: itself, or its events."""
        return 1 if isinstance(self._sink, WindowSink) else len(delivery.events)

    def _until_accepted(self, attempt: Callable[[], None]) -> None:
        patience = Deadline(self._tools.give_up_after_s, self._tools.clock)
        while True:
            try:
                attempt()
            except SinkError as error:
                if not self.required or error.retry_after_s is None or patience.expired:
                    raise
                self._waits_for = str(error)
                log.warning("sink_retry", sink=self.name, reason=str(error), retry_after_s=error.retry_after_s)
                if self._tools.stopping.wait(min(error.retry_after_s, patience.remaining_s())):
                    attempt()
                    return
            else:
                self._waits_for = ""
                return

    def _written(self, deliveries: Sequence[Delivery]) -> None:
        """Count what is durable by now."""
        self._tools.metrics.events.labels(self.name, "durable").inc(sum(map(self._size, deliveries)))
        if not self.required:
            return
        now_s = self._tools.clock.monotonic_s()
        utc_ns = self._tools.clock.utc_ns()
        for delivery in deliveries:
            if isinstance(delivery.work, Window) and delivery.events:
                self._observe(delivery.work, now_s, utc_ns)

    def _observe(self, window: Window, now_s: float, utc_ns: int) -> None:
        self._tools.metrics.latency_s.observe(now_s - window.ready_s)
        if window.stream.live or window.position is not None:  # a file's times say nothing of now
            self._tools.metrics.end_to_end_s.observe((utc_ns - window.end_ns) / NS_PER_S)

    def _dropped(self, delivery: Delivery) -> None:
        self._tools.metrics.events.labels(self.name, "dropped").inc(self._size(delivery))


class Outlets:
    """All sinks of a pipeline."""

    def __init__(self, outlets: Sequence[Outlet], tracker: Tracker) -> None:
        self._outlets = outlets
        self._tracker = tracker

    def deliver(self, work: WindowItem, events: Sequence[Event] = (), bad: BadRecord | None = None) -> None:
        """Send a finished part of `work` to every sink; blocks while a required one is full."""
        delivery = Delivery(work, tuple(events), bad)
        for outlet in self._outlets:
            outlet.channel.put(delivery)
        if not any(outlet.required for outlet in self._outlets):
            self._tracker.done(work)

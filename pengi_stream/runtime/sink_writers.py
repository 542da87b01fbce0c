"""From events to sinks: one thread a sink, so that a slow one delays no other."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from pengi_stream.clock import Clock
from pengi_stream.engine.watermark import Work
from pengi_stream.errors import SinkError
from pengi_stream.metrics import Metrics
from pengi_stream.outcomes import Span
from pengi_stream.protocols import Sink
from pengi_stream.runtime.channel import Channel
from pengi_stream.runtime.commits import Commits
from pengi_stream.runtime.patience import Patience
from pengi_stream.runtime.waiting import Weighed, WeighedDropOldest
from pengi_stream.status import Status
from pengi_stream.types import NS_PER_S, BadRecord

log = structlog.get_logger()

CAPACITY = 1024  # deliveries that wait for a slow sink
MOST_AT_ONCE = 256  # deliveries between two flushes
EVENT_BYTES = 1000  # what an event takes beside its samples, about


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """What is to be written for some work that is done."""

    work: Work
    items: tuple[Any, ...]
    """Events, or windows and what lies between them: what the sinks take"""
    bytes: int
    span: Span | None = None
    """Of the window that it is about"""
    record: BadRecord | None = None
    """What is to be a dead letter, where it is kept by the sink's transaction"""


@dataclass(frozen=True, slots=True)
class NamedSink:
    """A sink with what the pipeline must know of it."""

    name: str
    sink: Sink[Any]
    required: bool


@dataclass(frozen=True, slots=True)
class SinkTools:
    """What all sinks of a pipeline share."""

    commits: Commits
    metrics: Metrics
    clock: Clock
    give_up_after_s: float
    """A required sink that refuses for so long ends the run."""
    stopping: threading.Event


class SinkWriter:
    """Writes deliveries to one sink, and tells when they are durable."""

    def __init__(self, named: NamedSink, tools: SinkTools) -> None:
        self.name = named.name
        self.required = named.required
        self._sink = named.sink
        self._tools = tools
        patience_s = tools.give_up_after_s if named.required else 0.0
        self._patience = Patience(named.name, tools.clock, patience_s, tools.stopping)
        for outcome in ("durable", "dropped"):  # 0 is shown too: a rate needs where a counter began
            tools.metrics.events.labels(self.name, outcome)
        buffer: Weighed[Delivery] = (
            Weighed(CAPACITY, _weight) if named.required else WeighedDropOldest(CAPACITY, _weight, self._dropped)
        )
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
        """How the sink is; stalled while it refuses, or does not answer. Any thread."""
        waits_for = self._patience.waits_for
        return Status("stalled", waits_for) if waits_for else Status("running")

    def _reach(self) -> None:
        """A flush of nothing tells that the sink is there, before any audio is spent on it."""
        try:
            self._patience.until_accepted(self._sink.flush)
        except SinkError as error:
            if self.required:
                raise
            log.warning("sink_away", sink=self.name, reason=str(error))

    def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        fresh = [delivery for delivery in deliveries if not self._tools.commits.is_stale(delivery.work)]
        items = [item for delivery in fresh for item in delivery.items]
        try:
            if items:
                self._patience.until_accepted(lambda _: self._sink.write(items))
                self._patience.until_accepted(self._sink.flush)
        except SinkError as error:
            if self.required:
                raise
            log.error("events_lost", sink=self.name, events=len(items), reason=str(error))
            self._tools.metrics.events.labels(self.name, "dropped").inc(len(items))
            return
        self._written(fresh)
        if self.required:
            self._tools.commits.done([delivery.work for delivery in deliveries])

    def _written(self, deliveries: Sequence[Delivery]) -> None:
        """Count what is durable by now."""
        self._tools.metrics.events.labels(self.name, "durable").inc(sum(len(each.items) for each in deliveries))
        if not self.required:
            return
        now_s = self._tools.clock.monotonic_s()
        utc_ns = self._tools.clock.utc_ns()
        for delivery in deliveries:
            if delivery.span is not None:
                self._observe(delivery.span, now_s, utc_ns)

    def _observe(self, span: Span, now_s: float, utc_ns: int) -> None:
        self._tools.metrics.latency_s.observe(now_s - span.ready_s)
        if span.stream.live or span.position is not None:  # a file's times say nothing of now
            self._tools.metrics.end_to_end_s.observe((utc_ns - span.end_ns) / NS_PER_S)

    def _dropped(self, delivery: Delivery) -> None:
        self._tools.metrics.events.labels(self.name, "dropped").inc(len(delivery.items))


class SinkWriters:
    """All sinks of a pipeline."""

    def __init__(self, writers: Sequence[SinkWriter], commits: Commits) -> None:
        self._writers = writers
        self._commits = commits
        self._any_required = any(writer.required for writer in writers)

    def deliver(self, delivery: Delivery) -> None:
        """Send it to every sink; blocks while a required one is full. What has nothing for them is done."""
        if not (delivery.items or delivery.record):
            self._commits.finished(delivery.work)
            return
        for writer in self._writers:
            writer.channel.put(delivery)
        if not self._any_required:
            self._commits.finished(delivery.work)


def _weight(delivery: Delivery) -> int:
    return delivery.bytes

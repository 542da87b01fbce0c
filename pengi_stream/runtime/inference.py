"""From batches to events: the threads that drive the model, and the one that hands on what it said."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count

import numpy as np
import structlog

from pengi_stream.clock import Clock, Deadline
from pengi_stream.engine.events import drop_event, gap_event, source_event, text_event
from pengi_stream.engine.reorder import Begun, Finished, Reorder
from pengi_stream.errors import ModelError, SinkError
from pengi_stream.metrics import Metrics
from pengi_stream.protocols import AudioLanguageModel, ConcurrentModel, DeadLetterSink
from pengi_stream.runtime.channel import Channel
from pengi_stream.runtime.intake import Asked, Ready
from pengi_stream.runtime.outlets import Outlets
from pengi_stream.runtime.stage import Stage
from pengi_stream.types import BadRecord, Batch, Event, Gap, Generation, Request, Shed, StreamEnd, WindowItem

log = structlog.get_logger()

DEAD_LETTER_FLUSH_S = 30.0
OPEN_PER_THREAD = 4  # batches that were taken from the batcher and did not reach the sinks yet


class DeadLetters:
    """Keeps bad records where the user wants them, and counts those that had nowhere to go. Any thread."""

    def __init__(
        self,
        sink: DeadLetterSink | None,
        *,
        clock: Clock,
        give_up_after_s: float,
        stopping: threading.Event,
        in_transactions: bool = False,
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._give_up_after_s = give_up_after_s
        self._stopping = stopping
        self._in_transactions = in_transactions  # then a sink keeps them, together with the events
        self._lock = threading.Lock()
        self.unkept = 0
        """Bad records that were only logged"""

    def reach(self) -> None:
        """A flush of nothing tells that the place is there, before any audio is spent. Raises SinkError when not."""
        if self._sink is not None:
            self._flush(self._sink)

    def keep(self, record: BadRecord) -> None:
        """Returns when `record` is durable. Raises SinkError when nobody took it for too long."""
        with self._lock:
            if self._sink is None:
                self.unkept += 1
            elif not self._in_transactions:
                self._sink.write(record)
                self._flush(self._sink)

    def close(self) -> None:
        if self._sink is not None:
            self._sink.close()

    def _flush(self, sink: DeadLetterSink) -> None:
        patience = Deadline(self._give_up_after_s, self._clock)
        while True:
            try:
                sink.flush(Deadline(DEAD_LETTER_FLUSH_S, self._clock))
            except SinkError as error:
                if error.retry_after_s is None or patience.expired or self._stopping.is_set():
                    raise
                log.warning("dead_letters_retry", reason=str(error), retry_after_s=error.retry_after_s)
                self._stopping.wait(min(error.retry_after_s, patience.remaining_s()))
            else:
                return


@dataclass(frozen=True, slots=True)
class Part:
    """A part of some work that is done: what the tracker and the sinks hear of it."""

    work: WindowItem
    events: tuple[Event, ...] = ()
    fate: str = ""
    """What became of the request, where it was one"""
    bad: BadRecord | None = None
    """Why there is a dead letter, where there is one"""


Parts = tuple[Part, ...]
Done = Channel[Begun | Finished[Parts], Parts]


@dataclass(frozen=True, slots=True)
class Inference:
    """Runs batches through the model and hands events to the outlets, in the order of each stream."""

    model: AudioLanguageModel
    pipeline: str
    outlets: Outlets
    dead_letters: DeadLetters
    metrics: Metrics
    clock: Clock
    _turn: threading.Lock = field(default_factory=threading.Lock, init=False)
    _tickets: Iterator[int] = field(default_factory=count, init=False)

    def work(self, requests: Channel[Asked, Ready]) -> None:
        """Until `requests` ends. Raises ModelError when the model fails on anything, and SinkError when dead letters
        have no place."""
        try:
            self.dead_letters.reach()
            self._drive(requests)
        finally:
            self.dead_letters.close()

    def _drive(self, requests: Channel[Asked, Ready]) -> None:
        """The model, by as many threads as it can take."""
        threads = self.model.concurrency if isinstance(self.model, ConcurrentModel) else 1
        done: Done = Channel(Reorder[Parts](threads * OPEN_PER_THREAD), producers=threads)
        errors: list[Exception] = []
        workers = [
            Stage(
                f"model-{number}",
                partial(self._compute, requests, done),
                on_error=lambda _, error: errors.append(error),
                reads=requests,
                writes=[done],
            )
            for number in range(threads)
        ]
        for worker in workers:
            worker.start()
        try:
            while (parts := done.get()) is not None:
                self._deliver(parts)
        finally:
            requests.abort()  # workers may wait for either
            done.abort()
            for worker in workers:
                worker.join()
        if errors:
            raise errors[0]

    def _compute(self, requests: Channel[Asked, Ready], done: Done) -> None:
        while True:
            with self._turn:  # what is taken first begins first
                item = requests.get()
                if item is None:
                    return
                ticket = next(self._tickets)
                done.put(Begun(ticket, _streams(item)))
            done.put(Finished(ticket, tuple(self._parts(item))))

    def _deliver(self, parts: Parts) -> None:
        for part in parts:
            if part.fate:
                self.metrics.ledgers.leave("requests", part.fate)
            self.outlets.deliver(part.work, part.events, part.bad)

    def _parts(self, item: Ready) -> Iterator[Part]:
        match item:
            case Batch():
                yield from self._run(item)
            case Shed(request=request):
                yield Part(request.window, (drop_event(item, self.pipeline),), "shed")
            case Gap():
                yield Part(item, (gap_event(item, self.pipeline),))
            case BadRecord():
                if not item.kept:
                    self.dead_letters.keep(item)
                yield Part(item, (source_event(item, self.pipeline),), bad=None if item.kept else item)
            case StreamEnd():
                yield Part(item)

    def _run(self, batch: Batch) -> Iterator[Part]:
        self.metrics.batch_size.observe(len(batch.requests))
        try:
            with self.metrics.model_s.time():
                generations = self.model.generate(batch)
            if len(generations) != len(batch.requests):
                raise ModelError(f"found {len(generations)} generations for {len(batch.requests)} requests")
        except ModelError as error:
            if len(batch.requests) == 1:
                yield self._give_up(batch.requests[0], error)
                return
            log.warning("batch_split", size=len(batch.requests), reason=str(error))
            for request in batch.requests:
                yield from self._run(Batch((request,)))
            return
        self.metrics.repeated.inc(sum(generation.repeated for generation in generations))
        for generation in generations:
            yield Part(generation.request.window, self._events(generation), "generated")

    def _events(self, generation: Generation) -> tuple[Event, ...]:
        if generation.confidence < generation.request.prompt.threshold:
            return ()
        return (text_event(generation, self.pipeline, self.model.identity, self.clock.utc_ns()),)

    def _give_up(self, request: Request, error: ModelError) -> Part:
        """Make `request` a dead letter; raises ModelError when the model fails on silence as well."""
        silence = replace(request.window, samples=np.zeros_like(request.window.samples))
        try:
            self.model.generate(Batch((Request(silence, request.prompt),)))
        except ModelError as again:
            raise ModelError(f"the model fails on every window: {again}") from error
        window = request.window
        record = BadRecord(
            stream=window.stream,
            reason=f"the model failed on the window at {window.offset_s:.2f} s, prompt {request.prompt.id!r}: {error}",
            exception=type(error).__name__,
            time_ns=window.start_ns,
            position=window.position,
        )
        log.error("request_failed", stream_id=window.stream.id, reason=record.reason)
        self.dead_letters.keep(record)
        return Part(window, (source_event(record, self.pipeline),), "failed", record)


def _streams(item: Ready) -> frozenset[str]:
    """Those that `item` is about."""
    match item:
        case Batch(requests=requests):
            return frozenset(request.stream.id for request in requests)
        case Shed(request=request):
            return frozenset((request.stream.id,))
        case _:
            return frozenset((item.stream.id,))

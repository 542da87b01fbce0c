"""A whole pipeline: its stages, wired; run to the end or until it is told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from pengi_stream.clock import Clock, Deadline, SystemClock
from pengi_stream.engine.batcher import Batcher
from pengi_stream.engine.gate import Gate
from pengi_stream.engine.windower import Windower
from pengi_stream.errors import PengiStreamError
from pengi_stream.metrics import Metrics
from pengi_stream.protocols import AudioLanguageModel, EndingSource, Measured, ReplayedSource, WindowSink, WindowSource
from pengi_stream.runtime.channel import Channel, DropOldest, Fifo
from pengi_stream.runtime.forward import Forward
from pengi_stream.runtime.health import health
from pengi_stream.runtime.inference import DeadLetters, Inference
from pengi_stream.runtime.intake import Asked, Intake, Taken, read_source, read_windows
from pengi_stream.runtime.outlets import Outlet, Outlets, OutletTools
from pengi_stream.runtime.parts import LiveSource, Outcome, Parts
from pengi_stream.runtime.stage import Abortable, Closable, Stage
from pengi_stream.runtime.tracker import Tracker
from pengi_stream.runtime.transactions import TransactionalOutlet, transactional
from pengi_stream.runtime.waiting import WaitingAudio
from pengi_stream.status import Health
from pengi_stream.types import Frame

__all__ = ["LiveSource", "Outcome", "Parts", "Pipeline"]

log = structlog.get_logger()

FRAMES_WAITING = 256  # frames between a source and its windower
WINDOWS_WAITING = 16  # windows, which are some 0.5 MB each, between two stages
FINISH_S = 10.0  # for the last commits
BATCHES_WAITING = 4  # batches' worth of stored requests between the windowers and the model


class Pipeline:
    """Runs once. `run` blocks; `stop` may be called from any thread or signal handler."""

    def __init__(self, parts: Parts, *, clock: Clock | None = None) -> None:
        self._parts = parts
        self._clock = clock or SystemClock()
        self.metrics = Metrics()
        self._errors: list[str] = []
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._dead_letters = DeadLetters(
            parts.dead_letters,
            clock=self._clock,
            give_up_after_s=parts.give_up_after_s,
            stopping=self._stopping,
            in_transactions=parts.exactly_once,
        )
        self._tracker = Tracker([part.source.commit for part in parts.sources])
        for number, part in enumerate(parts.sources):
            if isinstance(part.source, ReplayedSource):
                part.source.follow(self._tracker.progress(number))
        for named in parts.sinks:
            if isinstance(named.sink, WindowSink):
                named.sink.expect(parts.shape)
        self._outlets = self._make_outlets()
        middle = self._forward() if parts.model is None else self._inference(parts.model)
        self._asked: Channel[Asked, Any] = middle.channel
        self._stages = [*self._intake_stages(), middle.stage, *self._sink_stages()]
        self._measure()

    def run(self) -> Outcome:
        """Until all sources have ended and all events are durable, or until `stop`, or an error."""
        for stage in reversed(self._stages):
            stage.start()
        watcher = threading.Thread(target=self._await_stages, name="watcher", daemon=True)
        watcher.start()
        self._wake.wait()
        if self._stopping.is_set():
            for part in self._parts.sources:
                part.source.close()
            watcher.join(self._parts.drain_s)
        abandoned = self._abandon()
        self._finish_sources()
        return Outcome(tuple(self._errors), self._dead_letters.unkept, abandoned, self._unheard())

    def stop(self) -> None:
        """End the sources and drain what was heard, within `drain_s`. Returns at once."""
        self._stopping.set()
        self._wake.set()

    def health(self) -> Health:
        """How its stages, sources and required sinks are now. Any thread; does not block."""
        return health(self._stages, [part.source for part in self._parts.sources], self._outlets)

    def _unheard(self) -> tuple[str, ...]:
        """What the sources that were stopped had left."""
        sources = [part.source for part in self._parts.sources] if self._stopping.is_set() else []
        return tuple(left for source in sources if isinstance(source, EndingSource) and (left := source.left()))

    def _finish_sources(self) -> None:
        deadline = Deadline(FINISH_S)
        for part in self._parts.sources:
            if isinstance(part.source, ReplayedSource):
                part.source.finish(deadline)

    def _measure(self) -> None:
        parts = self._parts
        ends = [*(part.source for part in parts.sources), *(named.sink for named in parts.sinks), parts.dead_letters]
        for part in (*ends, parts.model):
            if isinstance(part, Measured):
                part.measure(self.metrics)
        self.metrics.queues.watch("requests", self._asked)
        for outlet in self._outlets:
            self.metrics.queues.watch(f"sink-{outlet.name}", outlet.channel)

    def _await_stages(self) -> None:
        for stage in self._stages:
            stage.join()
        self._wake.set()

    def _failed(self, stage: str, error: Exception) -> None:
        log.debug("stage_failed", stage=stage, exc_info=error)
        self._errors.append(f"{error}" if isinstance(error, PengiStreamError) else f"{stage}: {error!r}")
        self.stop()

    def _abandon(self) -> int:
        """Cut off what is still on its way, and count it."""
        self._asked.abort()
        for outlet in self._outlets:
            outlet.channel.abort()
        ledgers, ledger = self.metrics.ledgers, "requests" if self._parts.model else "windows"
        abandoned = ledgers.in_flight(ledger)
        ledgers.leave(ledger, "abandoned", abandoned)
        return abandoned

    def _intake_stages(self) -> list[Stage]:
        stages = []
        parts = self._parts
        for number, part in enumerate(parts.sources):
            source = part.source
            if isinstance(source, WindowSource):  # gated before they were sent
                waiting: Channel[Taken, Taken] = Channel(Fifo(WINDOWS_WAITING), clock=self._clock)
                read = partial(read_windows, source, parts.shape, waiting)
                windower, gate = None, Gate(None)
            else:
                waiting = self._frame_channel(part.live)
                read = partial(read_source, source, waiting)
                windower, gate = Windower(parts.windows), Gate(parts.min_dbfs)
            self.metrics.queues.watch(f"frames-{number}", waiting)
            intake = Intake(
                number,
                windower,
                gate,
                parts.prompts if parts.model else None,
                tracker=self._tracker,
                parts_per_window=max(1, sum(outlet.required for outlet in self._outlets)),
                metrics=self.metrics,
                clock=self._clock,
            )
            stages += [
                self._stage(f"source-{number}", read, writes=[waiting]),
                self._stage(f"intake-{number}", partial(intake.work, waiting, self._asked), waiting, [self._asked]),
            ]
        return stages

    def _forward(self) -> _Middle:
        """No model: what the intakes give is what the sinks get."""
        windows: Channel[Any, Any] = Channel(
            Fifo(WINDOWS_WAITING), producers=len(self._parts.sources), clock=self._clock
        )
        forward = Forward(Outlets(self._outlets, self._tracker), self._dead_letters, self.metrics)
        return self._middle("windows", partial(forward.work, windows), windows)

    def _inference(self, model: AudioLanguageModel) -> _Middle:
        parts = self._parts
        batcher = Batcher(
            max_batch_size=parts.max_batch_size,
            max_wait_s=parts.max_wait_s,
            max_age_s=parts.max_age_s,
            capacity=parts.max_batch_size * BATCHES_WAITING,
        )
        requests: Channel[Any, Any] = Channel(batcher, producers=len(parts.sources), clock=self._clock)
        inference = Inference(
            model=model,
            pipeline=parts.name,
            outlets=Outlets(self._outlets, self._tracker),
            dead_letters=self._dead_letters,
            metrics=self.metrics,
            clock=self._clock,
        )
        return self._middle("model", partial(inference.work, requests), requests)

    def _middle(self, name: str, work: Callable[[], None], channel: Channel[Any, Any]) -> _Middle:
        return _Middle(channel, self._stage(name, work, channel, [outlet.channel for outlet in self._outlets]))

    def _sink_stages(self) -> list[Stage]:
        return [self._stage(f"sink-{outlet.name}", outlet.work, outlet.channel) for outlet in self._outlets]

    def _stage(
        self, name: str, work: Callable[[], None], reads: Abortable | None = None, writes: Sequence[Closable] = ()
    ) -> Stage:
        return Stage(name, work, on_error=self._failed, reads=reads, writes=writes)

    def _frame_channel(self, live: bool) -> Channel[Taken, Taken]:
        buffer: Fifo[Taken] = WaitingAudio(FRAMES_WAITING)
        if live:
            buffer = DropOldest(FRAMES_WAITING, lambda item: isinstance(item, Frame), self._frame_dropped)
        return Channel(buffer, clock=self._clock)

    def _make_outlets(self) -> list[Outlet]:
        parts = self._parts
        tools = OutletTools(self._tracker, self.metrics, self._clock, parts.give_up_after_s, self._stopping)
        outlets = [Outlet(sink, tools) for sink in parts.sinks if not (parts.exactly_once and sink.required)]
        if parts.exactly_once:
            sources = [part.source for part in parts.sources]
            required = [sink for sink in parts.sinks if sink.required]
            ends = transactional(sources, required, parts.dead_letters, self._tracker.progress(0))
            outlets.append(TransactionalOutlet(required[0].name, ends, tools))
        return outlets

    def _frame_dropped(self, item: Taken) -> None:
        self.metrics.frames_dropped.inc()
        log.debug("frame_dropped", stream_id=item.stream.id)


@dataclass(frozen=True, slots=True)
class _Middle:
    """What stands between intakes and outlets."""

    channel: Channel[Any, Any]
    stage: Stage

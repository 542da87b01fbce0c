"""From batches to events: the one thread that drives the model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import structlog

from pengi_stream.clock import Clock, Deadline
from pengi_stream.engine.events import drop_event, gap_event, source_event, text_event
from pengi_stream.errors import ModelError
from pengi_stream.metrics import Metrics
from pengi_stream.protocols import AudioLanguageModel, DeadLetterSink
from pengi_stream.runtime.channel import Channel
from pengi_stream.runtime.intake import Asked, Ready
from pengi_stream.runtime.outlets import Outlets
from pengi_stream.types import BadRecord, Batch, Event, Gap, Generation, Request, Shed, StreamEnd

log = structlog.get_logger()

DEAD_LETTER_FLUSH_S = 30.0


class DeadLetters:
    """Keeps bad records where the user wants them, and counts those that had nowhere to go."""

    def __init__(self, sink: DeadLetterSink | None) -> None:
        self._sink = sink
        self.unkept = 0
        """Bad records that were only logged"""

    def keep(self, record: BadRecord) -> None:
        """Returns when `record` is durable. Raises SinkError."""
        if self._sink is None:
            self.unkept += 1
            return
        self._sink.write(record)
        self._sink.flush(Deadline(DEAD_LETTER_FLUSH_S))

    def close(self) -> None:
        if self._sink is not None:
            self._sink.close()


@dataclass(frozen=True, slots=True)
class Inference:
    """Runs batches through the model and hands events to the outlets, in the order of each stream."""

    model: AudioLanguageModel
    pipeline: str
    outlets: Outlets
    dead_letters: DeadLetters
    metrics: Metrics
    clock: Clock

    def work(self, requests: Channel[Asked, Ready]) -> None:
        """Until `requests` ends. Raises ModelError when the model fails on anything."""
        try:
            while (item := requests.get()) is not None:
                self._handle(item)
        finally:
            self.dead_letters.close()

    def _handle(self, item: Ready) -> None:
        match item:
            case Batch():
                self._run(item)
            case Shed(request=request):
                self.metrics.ledgers.leave("requests", "shed")
                self.outlets.deliver(request.window, [drop_event(item, self.pipeline)])
            case Gap():
                self.outlets.deliver(item, [gap_event(item, self.pipeline)])
            case BadRecord():
                self.dead_letters.keep(item)
                self.outlets.deliver(item, [source_event(item, self.pipeline)])
            case StreamEnd():
                self.outlets.deliver(item)

    def _run(self, batch: Batch) -> None:
        self.metrics.batch_size.observe(len(batch.requests))
        try:
            with self.metrics.model_s.time():
                generations = self.model.generate(batch)
            if len(generations) != len(batch.requests):
                raise ModelError(f"found {len(generations)} generations for {len(batch.requests)} requests")
        except ModelError as error:
            if len(batch.requests) == 1:
                self._give_up(batch.requests[0], error)
                return
            log.warning("batch_split", size=len(batch.requests), reason=str(error))
            for request in batch.requests:
                self._run(Batch((request,)))
            return
        for generation in generations:
            self.metrics.ledgers.leave("requests", "generated")
            self.outlets.deliver(generation.request.window, self._events(generation))

    def _events(self, generation: Generation) -> list[Event]:
        if generation.confidence < generation.request.prompt.threshold:
            return []
        return [text_event(generation, self.pipeline, self.model.identity, self.clock.utc_ns())]

    def _give_up(self, request: Request, error: ModelError) -> None:
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
        self.metrics.ledgers.leave("requests", "failed")
        self.outlets.deliver(window, [source_event(record, self.pipeline)])

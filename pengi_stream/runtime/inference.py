"""The threads that drive the model: batches in, what became of each request out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import structlog

from pengi_stream.engine.batcher import Shed
from pengi_stream.engine.reorder import Finished
from pengi_stream.errors import ModelError
from pengi_stream.metrics import Metrics
from pengi_stream.outcomes import Heard, Outcome, Unheard, span_of
from pengi_stream.protocols import AudioLanguageModel
from pengi_stream.runtime.asking import Joined, Requests
from pengi_stream.types import BadRecord, Batch, Generation, Request

log = structlog.get_logger()

CONFIDENCE_DIGITS = 4  # what holds steady between batches of different size
SCORE_DIGITS = 6

Answer = tuple[Request, Outcome]


@dataclass(frozen=True, slots=True)
class Inference:
    """Runs batches through the model. Several threads may, where the model can take them."""

    model: AudioLanguageModel
    metrics: Metrics
    keeps_samples: bool
    """A sink asks for the samples of windows"""

    def work(self, requests: Requests, joined: Joined) -> None:
        """Until `requests` ends. Raises ModelError when the model fails on anything."""
        while (item := requests.get()) is not None:
            answers = self._shed(item) if isinstance(item, Shed) else self._run(item)
            joined.put(Finished(tuple((request.sequence, outcome) for request, outcome in answers)))

    def _shed(self, shed: Shed) -> Iterator[Answer]:
        self.metrics.ledgers.leave("requests", "shed")
        yield shed.request, Unheard(span_of(shed.request.window), shed.reason, shed.request.prompt)

    def _run(self, batch: Batch) -> Iterator[Answer]:
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
        self.metrics.ledgers.leave("requests", "generated", len(generations))
        for generation in generations:
            yield generation.request, self._heard(generation)

    def _heard(self, generation: Generation) -> Heard:
        window, scores = generation.request.window, generation.scores
        origin = window.origin or window.position
        return Heard(
            span_of(window),
            generation.request.prompt,
            generation.text,
            round(generation.confidence, CONFIDENCE_DIGITS),
            None if scores is None else {label: round(score, SCORE_DIGITS) for label, score in scores.items()},
            generation.repeated,
            None if origin is None else origin.origin,
            window if self.keeps_samples else None,
        )

    def _give_up(self, request: Request, error: ModelError) -> Answer:
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
        self.metrics.ledgers.leave("requests", "failed")
        return request, Unheard(span_of(window), "the model failed on it", request.prompt, record)

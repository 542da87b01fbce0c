"""What was said, missed or failed, as events with ids that a repeat shares."""

from __future__ import annotations

import json
import uuid

from pengi_stream.events import (
    CoverageEvent,
    CoverageKind,
    DropEvent,
    EventType,
    GapEvent,
    SourceEvent,
    StatusEvent,
    TextEvent,
)
from pengi_stream.options import DecodingOptions, Prompt
from pengi_stream.outcomes import Heard, Span, StatusChange, Unheard
from pengi_stream.types import BadRecord, Gap, Stream

NAMESPACE = uuid.UUID("6f0a7c64-8d0b-5c8e-9a53-70656e676900")


def event_id(
    kind: EventType, stream: Stream, first_sample: int, prompt: Prompt | None = None, model_identity: str = ""
) -> str:
    """The same event has the same id, whenever and however often it is made (uuid5)."""
    asked = None if prompt is None else what_was_asked(prompt)
    return named(kind, stream.id, stream.session, first_sample, asked, model_identity)


def named(*facts: object) -> str:
    """A uuid5 of `facts`, which are as JSON has them."""
    return str(uuid.uuid5(NAMESPACE, json.dumps(facts)))


def what_was_asked(prompt: Prompt) -> list[object]:
    """What an answer depends on; options that came later count only where they are used, so that old ids stay."""
    options, plain = prompt.options, DecodingOptions()
    later = {
        name: getattr(options, name)
        for name in ("top_p", "seed", "add_text", "stop")
        if getattr(options, name) != getattr(plain, name)
    }
    first = [prompt.text, *prompt.labels, options.beams, options.max_new_tokens, options.temperature]
    return [*first, later] if later else first


def text_event(heard: Heard, pipeline: str, model_identity: str, processed_at_ns: int) -> TextEvent:
    """What the model said about a window."""
    span, prompt = heard.span, heard.prompt
    return TextEvent(
        id=event_id(TextEvent.type, span.stream, span.first_sample, prompt, model_identity),
        pipeline=pipeline,
        stream_id=span.stream.id,
        start_ns=span.start_ns,
        end_ns=span.end_ns,
        prompt_id=prompt.id,
        prompt=prompt.text,
        text=heard.text,
        confidence=heard.confidence,
        scores=heard.scores,
        first_sample=span.first_sample,
        sample_rate=span.sample_rate,
        model=model_identity,
        processed_at_ns=processed_at_ns,
        repeated=heard.repeated,
        origin=heard.origin,
        window=heard.window,
    )


def gap_event(gap: Gap, pipeline: str) -> GapEvent:
    """Samples that are missing: from when, how long, why."""
    return GapEvent(
        id=event_id(GapEvent.type, gap.stream, gap.first_sample),
        pipeline=pipeline,
        stream_id=gap.stream.id,
        start_ns=gap.time.at(gap.first_sample),
        end_ns=gap.time.at(gap.end_sample),
        reason=gap.reason,
        first_sample=gap.first_sample,
        missing_samples=gap.missing_samples,
        sample_rate=gap.sample_rate,
    )


def source_event(record: BadRecord, pipeline: str) -> SourceEvent:
    """Input that could not be processed."""
    position = record.origin if record.kept else record.position
    place = [position.lane, position.offset] if position else []
    stream = record.stream
    return SourceEvent(
        id=named(SourceEvent.type, stream.id, stream.session, record.reason, record.time_ns, *place),
        pipeline=pipeline,
        stream_id=stream.id,
        start_ns=record.time_ns,
        reason=record.reason,
    )


def drop_event(unheard: Unheard, prompt: Prompt, pipeline: str) -> DropEvent:
    """A request that was given up because it waited too long."""
    span = unheard.span
    return DropEvent(
        id=event_id(DropEvent.type, span.stream, span.first_sample, prompt),
        pipeline=pipeline,
        stream_id=span.stream.id,
        start_ns=span.start_ns,
        end_ns=span.end_ns,
        prompt_id=prompt.id,
        reason=unheard.reason,
        first_sample=span.first_sample,
        sample_rate=span.sample_rate,
    )


def status_event(change: StatusChange, pipeline: str) -> StatusEvent:
    """A source changed its state, and with it one of its streams."""
    stream, status = change.stream, change.status
    return StatusEvent(
        id=named(StatusEvent.type, stream.id, stream.session, change.source, status.state, change.at_ns),
        pipeline=pipeline,
        stream_id=stream.id,
        start_ns=change.at_ns,
        source=change.source,
        state=status.state,
        reason=status.waits_for,
    )


def coverage_event(span: Span, kind: CoverageKind, reason: str, pipeline: str) -> CoverageEvent:
    """`span` was heard, quiet or unheard."""
    return CoverageEvent(
        id=event_id(CoverageEvent.type, span.stream, span.first_sample),
        pipeline=pipeline,
        stream_id=span.stream.id,
        start_ns=span.start_ns,
        end_ns=span.end_ns,
        kind=kind,
        reason=reason,
        first_sample=span.first_sample,
        end_sample=span.end_sample,
        sample_rate=span.sample_rate,
    )

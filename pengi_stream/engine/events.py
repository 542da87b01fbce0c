"""What was said, missed or failed, as events with ids that a repeat shares."""

from __future__ import annotations

import json
import uuid
from fractions import Fraction

from pengi_stream.clock import rfc3339
from pengi_stream.options import DecodingOptions, Prompt
from pengi_stream.types import BadRecord, Event, EventType, Gap, Generation, Position, Shed, Stream

NAMESPACE = uuid.UUID("6f0a7c64-8d0b-5c8e-9a53-70656e676900")
CONFIDENCE_DIGITS = 4  # what holds steady between batches of different size
DIGITS = 6


def event_id(
    kind: EventType, stream: Stream, first_sample: int, prompt: Prompt | None = None, model_identity: str = ""
) -> str:
    """The same event has the same id, whenever and however often it is made (uuid5)."""
    asked = None if prompt is None else _asked(prompt)
    name = json.dumps([kind, stream.id, stream.session, first_sample, asked, model_identity])
    return str(uuid.uuid5(NAMESPACE, name))


def _asked(prompt: Prompt) -> list[object]:
    """What an answer depends on; options that came later count only where they are used, so that old ids stay."""
    options, plain = prompt.options, DecodingOptions()
    later = {
        name: getattr(options, name)
        for name in ("top_p", "seed", "add_text", "stop")
        if getattr(options, name) != getattr(plain, name)
    }
    first = [prompt.text, *prompt.labels, options.beams, options.max_new_tokens, options.temperature]
    return [*first, later] if later else first


def text_event(generation: Generation, pipeline: str, model_identity: str, processed_at_ns: int) -> Event:
    """What the model said about a window."""
    window, prompt = generation.request.window, generation.request.prompt
    data: dict[str, object] = {
        "stream_id": window.stream.id,
        "prompt_id": prompt.id,
        "prompt": prompt.text,
        "text": generation.text,
        "confidence": round(generation.confidence, CONFIDENCE_DIGITS),
        "window_start": rfc3339(window.start_ns),
        "window_end": rfc3339(window.end_ns),
        "offset_s": round(window.offset_s, DIGITS),
        "first_sample": window.first_sample,
        "sample_rate": window.sample_rate,
        "model": model_identity,
        "processed_at": rfc3339(processed_at_ns // 1_000_000 * 1_000_000),
    }
    if generation.scores is not None:
        data["scores"] = {label: round(score, DIGITS) for label, score in generation.scores.items()}
    if generation.repeated:
        data["repeated"] = True
    if origin := window.origin or window.position:
        data["origin"] = _origin(origin)
    kind: EventType = "pengi_stream.text"
    identity = event_id(kind, window.stream, window.first_sample, prompt, model_identity)
    return Event(identity, kind, pipeline, window.stream.id, window.start_ns, data, window)


def _origin(position: Position) -> dict[str, object]:
    """Of the record in which a window begins, or the one before."""
    topic, _, number = position.partition.rpartition("/")
    if number.isdigit():
        return {"topic": topic, "partition": int(number), "offset": position.offset}
    return {"partition": position.partition, "offset": position.offset}


def gap_event(gap: Gap, pipeline: str) -> Event:
    """Samples that are missing: from when, how long, why."""
    start_ns, end_ns = gap.time.at(gap.first_sample), gap.time.at(gap.end_sample)
    data: dict[str, object] = {
        "stream_id": gap.stream.id,
        "reason": gap.reason,
        "gap_start": rfc3339(start_ns),
        "gap_end": rfc3339(end_ns),
        "duration_s": float(Fraction(gap.missing_samples, gap.sample_rate)),
        "first_sample": gap.first_sample,
        "missing_samples": gap.missing_samples,
        "sample_rate": gap.sample_rate,
    }
    kind: EventType = "pengi_stream.gap"
    return Event(event_id(kind, gap.stream, gap.first_sample), kind, pipeline, gap.stream.id, start_ns, data)


def source_event(record: BadRecord, pipeline: str) -> Event:
    """Input that could not be processed."""
    kind: EventType = "pengi_stream.source"
    position = record.origin if record.kept else record.position
    place = [position.partition, position.offset] if position else []
    name = json.dumps([kind, record.stream.id, record.stream.session, record.reason, record.time_ns, *place])
    data: dict[str, object] = {"stream_id": record.stream.id, "reason": record.reason}
    return Event(str(uuid.uuid5(NAMESPACE, name)), kind, pipeline, record.stream.id, record.time_ns, data)


def drop_event(shed: Shed, pipeline: str) -> Event:
    """A request that was given up because it waited too long."""
    window, prompt = shed.request.window, shed.request.prompt
    data: dict[str, object] = {
        "stream_id": window.stream.id,
        "prompt_id": prompt.id,
        "reason": shed.reason,
        "window_start": rfc3339(window.start_ns),
        "window_end": rfc3339(window.end_ns),
        "first_sample": window.first_sample,
        "sample_rate": window.sample_rate,
    }
    kind: EventType = "pengi_stream.drop"
    identity = event_id(kind, window.stream, window.first_sample, prompt)
    return Event(identity, kind, pipeline, window.stream.id, window.start_ns, data)

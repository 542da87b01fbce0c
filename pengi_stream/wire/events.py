"""Events <-> CloudEvents 1.0 in JSON. Times become RFC 3339 here, and seconds are rounded."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, NoReturn, get_args

from pengi_stream.clock import parse_rfc3339, rfc3339
from pengi_stream.events import (
    CoverageEvent,
    DropEvent,
    Event,
    EventType,
    GapEvent,
    SourceEvent,
    StatusEvent,
    TextEvent,
)

CONTENT_TYPE = "application/cloudevents+json"
SPEC_VERSION = "1.0"
SCHEMA = "urn:pengi-stream:schema:{kind}:v1"
TYPES: tuple[EventType, ...] = get_args(EventType)
REQUIRED = {"id": str, "source": str, "type": str, "subject": str, "time": str, "data": dict}
DIGITS = 6
NS_PER_MS = 1_000_000

Data = Mapping[str, Any]


def event_to_json(event: Event) -> str:
    """One line of CloudEvents JSON that any UTF-8 file takes. Raises ValueError where the data hold NaN or infinity."""
    attributes = {
        "specversion": SPEC_VERSION,
        "id": event.id,
        "source": event.pipeline,
        "type": event.type,
        "subject": event.stream_id,
        "time": rfc3339(event.start_ns),
        "datacontenttype": "application/json",
        "dataschema": SCHEMA.format(kind=event.type.removeprefix("pengi_stream.")),
        "data": data_of(event),
    }
    line = json.dumps(attributes, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # File names that are no UTF-8 hold lone surrogates, which only JSON's escapes can carry.
    return line.encode("utf-8", "backslashreplace").decode()


def data_of(event: Event) -> dict[str, Any]:
    """What the CloudEvent of `event` carries; JSON types only."""
    match event:
        case TextEvent():
            found = _text(event)
        case GapEvent():
            found = _gap(event)
        case SourceEvent():
            found = {"reason": event.reason}
        case DropEvent():
            found = {"prompt_id": event.prompt_id, "reason": event.reason, **_window(event)}
        case StatusEvent():
            found = {"source": event.source, "state": event.state, "reason": event.reason}
        case CoverageEvent():
            found = _coverage(event)
    return {"stream_id": event.stream_id, **found}


def event_from_json(line: str | bytes) -> Event:
    """The event in one line of CloudEvents JSON. Raises ValueError: what was found, what was expected."""
    attributes = json.loads(line, parse_constant=_refuse_constant)
    if not isinstance(attributes, dict) or attributes.get("specversion") != SPEC_VERSION:
        raise ValueError(f"found {line[:80]!r}, expected a JSON object with specversion {SPEC_VERSION!r}")
    for name, kind in REQUIRED.items():
        found = attributes.get(name)
        if not isinstance(found, kind) or not found:
            raise ValueError(f"found {name} {found!r}, expected a {kind.__name__} that is not empty")
    if attributes["type"] not in READERS:
        raise ValueError(f"found an event of type {attributes['type']!r}, expected one of {', '.join(TYPES)}")
    common = {
        "id": attributes["id"],
        "pipeline": attributes["source"],
        "stream_id": attributes["subject"],
        "start_ns": parse_rfc3339(attributes["time"]),
    }
    try:
        return READERS[attributes["type"]](common, attributes["data"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"found data of {attributes['type']} without {error}: {line[:80]!r}") from error


def _text(event: TextEvent) -> dict[str, Any]:
    found: dict[str, Any] = {
        "prompt_id": event.prompt_id,
        "prompt": event.prompt,
        "text": event.text,
        "confidence": event.confidence,
    }
    if event.scores is not None:
        found["scores"] = dict(event.scores)
    found |= {
        "window_start": rfc3339(event.start_ns),
        "window_end": rfc3339(event.end_ns),
        "offset_s": round(event.first_sample / event.sample_rate, DIGITS),
        "first_sample": event.first_sample,
        "sample_rate": event.sample_rate,
        "model": event.model,
        "processed_at": rfc3339(event.processed_at_ns // NS_PER_MS * NS_PER_MS),
    }
    if event.repeated:
        found["repeated"] = True
    if event.origin is not None:
        found["origin"] = dict(event.origin)
    return found


def _gap(event: GapEvent) -> dict[str, Any]:
    return {
        "reason": event.reason,
        "gap_start": rfc3339(event.start_ns),
        "gap_end": rfc3339(event.end_ns),
        "duration_s": float(Fraction(event.missing_samples, event.sample_rate)),
        "first_sample": event.first_sample,
        "missing_samples": event.missing_samples,
        "sample_rate": event.sample_rate,
    }


def _window(event: DropEvent) -> dict[str, Any]:
    return {
        "window_start": rfc3339(event.start_ns),
        "window_end": rfc3339(event.end_ns),
        "first_sample": event.first_sample,
        "sample_rate": event.sample_rate,
    }


def _coverage(event: CoverageEvent) -> dict[str, Any]:
    found = {
        "kind": event.kind,
        "start": rfc3339(event.start_ns),
        "end": rfc3339(event.end_ns),
        "duration_s": round((event.end_sample - event.first_sample) / event.sample_rate, DIGITS),
        "first_sample": event.first_sample,
        "end_sample": event.end_sample,
        "sample_rate": event.sample_rate,
    }
    return {**found, "reason": event.reason} if event.reason else found


def _read_text(common: Data, data: Data) -> TextEvent:
    return TextEvent(
        **common,
        end_ns=parse_rfc3339(data["window_end"]),
        **_fields(data, "prompt_id", "prompt", "text", "confidence", "first_sample", "sample_rate", "model"),
        scores=data.get("scores"),
        processed_at_ns=parse_rfc3339(data["processed_at"]),
        repeated=data.get("repeated", False),
        origin=data.get("origin"),
    )


def _read_gap(common: Data, data: Data) -> GapEvent:
    fields = _fields(data, "reason", "first_sample", "missing_samples", "sample_rate")
    return GapEvent(**common, end_ns=parse_rfc3339(data["gap_end"]), **fields)


def _read_source(common: Data, data: Data) -> SourceEvent:
    return SourceEvent(**common, reason=data["reason"])


def _read_drop(common: Data, data: Data) -> DropEvent:
    fields = _fields(data, "prompt_id", "reason", "first_sample", "sample_rate")
    return DropEvent(**common, end_ns=parse_rfc3339(data["window_end"]), **fields)


def _read_status(common: Data, data: Data) -> StatusEvent:
    return StatusEvent(**common, **_fields(data, "source", "state", "reason"))


def _read_coverage(common: Data, data: Data) -> CoverageEvent:
    fields = _fields(data, "kind", "first_sample", "end_sample", "sample_rate")
    return CoverageEvent(**common, end_ns=parse_rfc3339(data["end"]), reason=data.get("reason", ""), **fields)


READERS: Mapping[str, Callable[[Data, Data], Event]] = {
    TextEvent.type: _read_text,
    GapEvent.type: _read_gap,
    SourceEvent.type: _read_source,
    DropEvent.type: _read_drop,
    StatusEvent.type: _read_status,
    CoverageEvent.type: _read_coverage,
}


def _fields(data: Data, *names: str) -> dict[str, Any]:
    return {name: data[name] for name in names}


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"found {name}, which is no JSON number")

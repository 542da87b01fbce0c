"""Events <-> CloudEvents 1.0 in JSON."""

from __future__ import annotations

import json
from typing import NoReturn, cast, get_args

from pengi_stream.clock import parse_rfc3339, rfc3339
from pengi_stream.types import Event, EventType

CONTENT_TYPE = "application/cloudevents+json"
SPEC_VERSION = "1.0"
SCHEMA = "urn:pengi-stream:schema:{kind}:v1"
TYPES: tuple[EventType, ...] = get_args(EventType)
REQUIRED = {"id": str, "source": str, "type": str, "subject": str, "time": str, "data": dict}


def event_to_json(event: Event) -> str:
    """One line of CloudEvents JSON that any UTF-8 file takes. Raises ValueError where the data hold NaN or infinity."""
    attributes = {
        "specversion": SPEC_VERSION,
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.stream_id,
        "time": rfc3339(event.time_ns),
        "datacontenttype": "application/json",
        "dataschema": SCHEMA.format(kind=event.type.removeprefix("pengi_stream.")),
        "data": event.data,
    }
    line = json.dumps(attributes, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # File names that are no UTF-8 hold lone surrogates, which only JSON's escapes can carry.
    return line.encode("utf-8", "backslashreplace").decode()


def event_from_json(line: str | bytes) -> Event:
    """The event in one line of CloudEvents JSON. Raises ValueError: what was found, what was expected."""
    attributes = json.loads(line, parse_constant=_refuse_constant)
    if not isinstance(attributes, dict) or attributes.get("specversion") != SPEC_VERSION:
        raise ValueError(f"found {line[:80]!r}, expected a JSON object with specversion {SPEC_VERSION!r}")
    for name, kind in REQUIRED.items():
        found = attributes.get(name)
        if not isinstance(found, kind) or not found:
            raise ValueError(f"found {name} {found!r}, expected a {kind.__name__} that is not empty")
    if attributes["type"] not in TYPES:
        raise ValueError(f"found an event of type {attributes['type']!r}, expected one of {', '.join(TYPES)}")
    return Event(
        id=attributes["id"],
        type=cast("EventType", attributes["type"]),
        source=attributes["source"],
        stream_id=attributes["subject"],
        time_ns=parse_rfc3339(attributes["time"]),
        data=attributes["data"],
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"found {name}, which is no JSON number")

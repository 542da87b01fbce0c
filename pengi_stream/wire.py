"""Events <-> CloudEvents 1.0 in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast, get_args

from pengi_stream.clock import parse_rfc3339, rfc3339
from pengi_stream.types import Event, EventType

CONTENT_TYPE = "application/cloudevents+json"
SCHEMA = "urn:pengi-stream:schema:{kind}:v1"
TYPES: tuple[EventType, ...] = get_args(EventType)


def event_to_json(event: Event) -> str:
    """One line of CloudEvents JSON. Raises ValueError where the data hold NaN or infinity."""
    fields = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.stream_id,
        "time": rfc3339(event.time_ns),
        "datacontenttype": "application/json",
        "dataschema": SCHEMA.format(kind=event.type.removeprefix("pengi_stream.")),
        "data": event.data,
    }
    return json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def event_from_json(line: str | bytes) -> Event:
    """The event in one line of CloudEvents JSON. Raises ValueError: what was found, what was expected."""
    fields = json.loads(line)
    if not isinstance(fields, dict) or fields.get("specversion") != "1.0":
        raise ValueError("found no CloudEvent of specversion 1.0")
    missing = {"id", "source", "type", "subject", "time", "data"} - fields.keys()
    if missing:
        raise ValueError(f"the CloudEvent lacks {', '.join(sorted(missing))}")
    if fields["type"] not in TYPES:
        raise ValueError(f"found an event of type {fields['type']!r}, expected one of {', '.join(TYPES)}")
    return Event(
        id=fields["id"],
        type=cast("EventType", fields["type"]),
        source=fields["source"],
        stream_id=fields["subject"],
        time_ns=parse_rfc3339(fields["time"]),
        data=cast("Mapping[str, object]", fields["data"]),
    )

"""The contract of EventSink."""

from __future__ import annotations

import copy
from functools import partial

from pengi_stream.clock import Deadline
from pengi_stream.protocols import EventSink
from pengi_stream.testing.models import noise_window
from pengi_stream.testing.task import Step, Task
from pengi_stream.types import NS_PER_S, Event, EventType

FLUSH_S = 5.0


def check_sink(sink: EventSink, *, timeout_s: float = 30.0) -> None:
    """Write events of every type to `sink`, flush and close it, and check the contract of EventSink."""
    events = _events()
    before = copy.deepcopy([event.data for event in events])
    steps: list[Step] = [
        ("flush() of nothing", lambda: sink.flush(Deadline(FLUSH_S))),
        ("write() of no events", lambda: sink.write([])),
        *((f"write() of a {event.type}", partial(sink.write, [event])) for event in events),
        ("write() of several events", lambda: sink.write(tuple(events))),
        ("flush()", lambda: sink.flush(Deadline(FLUSH_S))),
        ("a second flush()", lambda: sink.flush(Deadline(FLUSH_S))),
        ("close()", sink.close),
        ("a second close()", sink.close),
    ]
    Task(steps).join(timeout_s)
    for event, data in zip(events, before, strict=True):
        assert event.data == data, f"write() changed an event's data from {data} to {event.data}"


def _events() -> list[Event]:
    """One of each type, and one whose text is hard to write."""
    when = {"window_start": "1970-01-01T00:00:01.000Z", "window_end": "1970-01-01T00:00:02.000Z"}
    place: dict[str, object] = {"stream_id": "check", "first_sample": 16_000, "sample_rate": 16_000}
    missing = {"gap_start": when["window_start"], "gap_end": when["window_end"], "missing_samples": 16_000}
    asked = {"prompt_id": "caption", "prompt": "generate audio caption", **when}
    answer = {"confidence": 0.5, "offset_s": 1.0, "model": "check", "processed_at": "2026-01-31T12:00:00.000Z"}
    data: list[tuple[EventType, dict[str, object]]] = [
        ("pengi_stream.text", {"text": "a dog barks", **asked, **answer}),
        (
            "pengi_stream.text",
            {"text": 'ein "Vöglein"\n犬 🐕, singt', "scores": {"a": 0.5, "b": 0.5}, **asked, **answer},
        ),
        ("pengi_stream.gap", {"reason": "overflow", "duration_s": 1.0, **missing}),
        ("pengi_stream.drop", {"reason": "too old", **asked}),
        ("pengi_stream.source", {"reason": "is no audio"}),
    ]
    window = noise_window(16_000, 16_000, seed=0)
    return [
        Event(f"check-{number}", kind, "check", "check", NS_PER_S, {**place, **fields}, window)
        for number, (kind, fields) in enumerate(data)
    ]

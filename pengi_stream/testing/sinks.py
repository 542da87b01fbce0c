"""The contracts of EventSink, WindowSink and DeadLetterSink."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial
from typing import Any

from pengi_stream.clock import Deadline
from pengi_stream.events import CoverageEvent, DropEvent, Event, GapEvent, SourceEvent, StatusEvent, TextEvent
from pengi_stream.outcomes import Quiet, Unheard, WindowItem, span_of
from pengi_stream.plugins import DeadLettersConfig, SinkConfig, WindowSinkConfig
from pengi_stream.protocols import Context, Sink
from pengi_stream.testing.doubles import SHAPE, context
from pengi_stream.testing.models import noise_window
from pengi_stream.testing.task import Step, Task
from pengi_stream.types import NS_PER_S, BadRecord, Gap, Stream, StreamEnd, TimeMap

FLUSH_S = 5.0


def check_sink(config: SinkConfig, *, within: Context | None = None, timeout_s: float = 30.0) -> None:
    """Build `config`, write events of every type to it, flush and close it, and check the contract of EventSink."""
    _check(config.build(within or context()), _events(), timeout_s)


def check_window_sink(config: WindowSinkConfig, *, within: Context | None = None, timeout_s: float = 30.0) -> None:
    """As `check_sink`, of WindowSink."""
    _check(config.build(within or context()), _window_items(), timeout_s)


def check_dead_letters(config: DeadLettersConfig, *, within: Context | None = None, timeout_s: float = 30.0) -> None:
    """As `check_sink`, of DeadLetterSink."""
    records = [
        BadRecord(Stream("check"), "check: is no audio", value=b"\x00\xff", key=b"check", headers=(("a", b"b"),)),
        BadRecord(Stream("v\u00f6gel \u72ac"), "no bytes at hand", exception="ModelError", time_ns=NS_PER_S),
    ]
    _check(config.build(within or context()), records, timeout_s)


def _check(sink: Sink[Any], items: Sequence[Any], timeout_s: float) -> None:
    before = copy.deepcopy(list(items))
    steps: list[Step] = [
        ("flush() of nothing", lambda: sink.flush(Deadline(FLUSH_S))),
        ("write() of nothing", lambda: sink.write([])),
        *((f"write() of a {type(item).__name__}", partial(sink.write, [item])) for item in items),
        ("write() of several", lambda: sink.write(tuple(items))),
        ("flush()", lambda: sink.flush(Deadline(FLUSH_S))),
        ("a second flush()", lambda: sink.flush(Deadline(FLUSH_S))),
        ("close()", sink.close),
        ("a second close()", sink.close),
    ]
    Task(steps).join(timeout_s)
    for item, copied in zip(items, before, strict=True):
        assert repr(item) == repr(copied), f"write() changed {copied} to {item}"


def _events() -> list[Event]:
    """One of each type, and one whose text is hard to write."""
    start_ns, end_ns = NS_PER_S, 2 * NS_PER_S

    def text(number: int, said: str, scores: dict[str, float] | None = None) -> TextEvent:
        return TextEvent(
            id=f"check-text-{number}",
            pipeline="check",
            stream_id="check",
            start_ns=start_ns,
            end_ns=end_ns,
            prompt_id="caption",
            prompt="generate audio caption",
            text=said,
            confidence=0.5,
            scores=scores,
            first_sample=16_000,
            sample_rate=16_000,
            model="check",
            processed_at_ns=0,
            window=noise_window(16_000, 16_000, seed=0),
        )

    common: dict[str, Any] = {"pipeline": "check", "stream_id": "check", "start_ns": start_ns}
    place: dict[str, Any] = {"first_sample": 16_000, "sample_rate": 16_000, "end_ns": end_ns}
    return [
        text(0, "a dog barks"),
        text(1, 'ein "V\u00f6glein"\n\u72ac \U0001f415, singt', {"a": 0.5, "b": 0.5}),
        GapEvent(id="check-gap", reason="overflow", missing_samples=16_000, **place, **common),
        DropEvent(id="check-drop", reason="too old", prompt_id="caption", **place, **common),
        SourceEvent(id="check-source", reason="is no audio", **common),
        StatusEvent(id="check-status", source="yard", state="stalled", reason="no samples", **common),
        CoverageEvent(id="check-coverage", kind="heard", reason="", end_sample=32_000, **place, **common),
    ]


def _window_items() -> list[WindowItem]:
    window = noise_window(SHAPE.sample_rate, SHAPE.samples, seed=1)
    time = TimeMap(0, 0, SHAPE.sample_rate)
    return [
        window,
        Quiet(span_of(window)),
        Unheard(span_of(window), "the tail of a segment is dropped"),
        Gap(window.stream, 32_000, 16_000, SHAPE.sample_rate, time, "missing"),
        BadRecord(window.stream, "check: is no audio"),
        StreamEnd(window.stream),
    ]

"""Events to write, read and show: one maker for each type, any of whose fields a test may name."""

from __future__ import annotations

from typing import Any

from pengi_stream.events import CoverageEvent, DropEvent, GapEvent, SourceEvent, StatusEvent, TextEvent
from pengi_stream.types import NS_PER_S

RATE = 16_000
COMMON: dict[str, Any] = {"id": "1", "pipeline": "kitchen", "stream_id": "door", "start_ns": 0}
PLACE: dict[str, Any] = {"end_ns": NS_PER_S, "first_sample": 0, "sample_rate": RATE}


def text_event(text: str = "a dog barks", **fields: Any) -> TextEvent:
    """What a model says of a second."""
    said = {"prompt_id": "caption", "prompt": "generate audio caption", "text": text, "confidence": 0.874}
    return TextEvent(**{**COMMON, **PLACE, **said, "model": "mini", "processed_at_ns": 0, **fields})


def gap_event(**fields: Any) -> GapEvent:
    """A second that is missing."""
    return GapEvent(**{**COMMON, **PLACE, "reason": "overflow", "missing_samples": RATE, **fields})


def drop_event(**fields: Any) -> DropEvent:
    """A request that waited too long."""
    return DropEvent(**{**COMMON, **PLACE, "reason": "too old", "prompt_id": "caption", **fields})


def source_event(**fields: Any) -> SourceEvent:
    """Input that is no audio."""
    return SourceEvent(**{**COMMON, "reason": "is no audio", **fields})


def status_event(**fields: Any) -> StatusEvent:
    """A source that gives nothing."""
    return StatusEvent(**{**COMMON, "source": "yard", "state": "stalled", "reason": "no samples for 10 s", **fields})


def coverage_event(**fields: Any) -> CoverageEvent:
    """A second that was heard."""
    return CoverageEvent(**{**COMMON, **PLACE, "kind": "heard", "reason": "", "end_sample": RATE, **fields})

"""What a sink gets: a closed union of typed events. Rounding of times and JSON are the wire's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from pengi_stream.status import State
from pengi_stream.types import Window

EventType = Literal[
    "pengi_stream.text",
    "pengi_stream.gap",
    "pengi_stream.source",
    "pengi_stream.drop",
    "pengi_stream.status",
    "pengi_stream.coverage",
]
CoverageKind = Literal["heard", "quiet", "unheard"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    """What all events have."""

    id: str
    """The same whenever the same event is made again (uuid5)"""
    pipeline: str
    """Name of the pipeline"""
    stream_id: str
    start_ns: int
    """UTC, nanoseconds since 1970: of the window, the gap, or the event itself"""

    @property
    def samples_bytes(self) -> int:
        """Bytes of audio that it holds"""
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TextEvent(_Event):
    """What the model said about a window."""

    type: ClassVar[EventType] = "pengi_stream.text"
    end_ns: int
    prompt_id: str
    prompt: str
    text: str
    confidence: float
    """0 to 1, rounded"""
    scores: Mapping[str, float] | None = None
    """Close-ended prompts: one for each label, rounded"""
    first_sample: int
    sample_rate: int
    """Hertz, the model's"""
    model: str
    """The model's identity"""
    processed_at_ns: int
    """UTC"""
    repeated: bool = False
    origin: Mapping[str, str | int] | None = None
    """The record of audio in which the window begins, in its source's words"""
    window: Window | None = field(default=None, compare=False, repr=False)
    """The samples it is about, for sinks that ask for them; there until flush, never serialised"""

    @property
    def samples_bytes(self) -> int:
        return 0 if self.window is None else self.window.samples.nbytes


@dataclass(frozen=True, slots=True, kw_only=True)
class GapEvent(_Event):
    """Samples that are missing: from when, how long, why."""

    type: ClassVar[EventType] = "pengi_stream.gap"
    end_ns: int
    reason: str
    first_sample: int
    """Of the missing ones, at the source's rate"""
    missing_samples: int
    sample_rate: int
    """Hertz, the source's"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceEvent(_Event):
    """Input that could not be processed."""

    type: ClassVar[EventType] = "pengi_stream.source"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DropEvent(_Event):
    """A request that was given up because it waited too long."""

    type: ClassVar[EventType] = "pengi_stream.drop"
    end_ns: int
    prompt_id: str
    reason: str
    first_sample: int
    sample_rate: int
    """Hertz, the model's"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusEvent(_Event):
    """A source's state changed, and with it that of its streams."""

    type: ClassVar[EventType] = "pengi_stream.status"
    source: str
    """Its name in the pipeline"""
    state: State
    reason: str
    """One line: what it waits for; empty where it runs"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageEvent(_Event):
    """A run of time of a stream, and whether it was heard. With the gaps it is all of the stream's time."""

    type: ClassVar[EventType] = "pengi_stream.coverage"
    end_ns: int
    kind: CoverageKind
    reason: str
    """Why it was not heard; empty otherwise"""
    first_sample: int
    end_sample: int
    sample_rate: int
    """Hertz, the model's"""


Event = TextEvent | GapEvent | SourceEvent | DropEvent | StatusEvent | CoverageEvent
EVENTS: tuple[type[Event], ...] = (TextEvent, GapEvent, SourceEvent, DropEvent, StatusEvent, CoverageEvent)

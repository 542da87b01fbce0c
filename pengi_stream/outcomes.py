"""What became of a window: heard, quiet or unheard. Whoever stands behind the model can tell silence from deafness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pengi_stream.options import Prompt
from pengi_stream.positions import ReadPosition
from pengi_stream.status import Status
from pengi_stream.types import BadRecord, Gap, Resumed, Revoked, Stream, StreamEnd, Window


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one segment, without its samples."""

    stream: Stream
    segment_sample: int
    """First sample of its segment; all samples are counted at `sample_rate`"""
    first_sample: int
    end_sample: int
    """Behind its last valid sample"""
    sample_rate: int
    """Hertz, the model's"""
    start_ns: int
    """UTC of its first sample"""
    end_ns: int
    """UTC of its end"""
    position: ReadPosition | None = None
    """Of the record from which a replay would make it again"""
    ready_s: float = 0.0
    """Monotonic time at which its last sample arrived"""


def span_of(window: Window) -> Span:
    """The valid samples of `window`."""
    return Span(
        window.stream,
        window.segment_sample,
        window.first_sample,
        window.first_sample + window.valid_samples,
        window.sample_rate,
        window.start_ns,
        window.end_ns,
        window.position,
        window.ready_s,
    )


@dataclass(frozen=True, slots=True)
class Quiet:
    """A window, or a run of them, that was too quiet to be worth the model's time."""

    span: Span

    @property
    def stream(self) -> Stream:
        return self.span.stream

    @property
    def position(self) -> ReadPosition | None:
        return self.span.position

    @property
    def first_sample(self) -> int:
        return self.span.first_sample


@dataclass(frozen=True, slots=True)
class Unheard:
    """Audio that arrived and that nobody listened to."""

    span: Span
    reason: str
    prompt: Prompt | None = None
    """The one that was not answered; None: none was asked"""
    record: BadRecord | None = None
    """What becomes a dead letter, where the model failed on it"""

    @property
    def stream(self) -> Stream:
        return self.span.stream

    @property
    def position(self) -> ReadPosition | None:
        return self.span.position

    @property
    def first_sample(self) -> int:
        return self.span.first_sample


@dataclass(frozen=True, slots=True)
class Heard:
    """What the model said to one prompt about one window. Scores are rounded before anything decides by them."""

    span: Span
    prompt: Prompt
    text: str
    confidence: float
    """0 to 1"""
    scores: Mapping[str, float] | None = None
    repeated: bool = False
    """The answer about an earlier window, from which this one hardly differs"""
    origin: Mapping[str, str | int] | None = None
    """The record of audio in which the window begins"""
    window: Window | None = field(default=None, compare=False, repr=False)
    """Its samples, where a sink asks for them"""

    @property
    def stream(self) -> Stream:
        return self.span.stream

    @property
    def position(self) -> ReadPosition | None:
        return self.span.position

    @property
    def first_sample(self) -> int:
        return self.span.first_sample


@dataclass(frozen=True, slots=True)
class StatusChange:
    """The source of a stream is in another state."""

    stream: Stream
    source: str
    """Its name in the pipeline"""
    status: Status
    at_ns: int
    """UTC"""

    @property
    def position(self) -> None:
        """No replay gives it again."""
        return None


WindowItem = Window | Quiet | Unheard | Gap | StreamEnd | BadRecord
"""What is cut from frames"""
Outcome = Heard | Quiet | Unheard | Gap | StreamEnd | BadRecord | StatusChange
"""What became of it, in the order of each stream"""
OrderedItem = Outcome | Resumed | Revoked
"""What comes out behind the model"""

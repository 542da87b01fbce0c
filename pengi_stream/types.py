"""What crosses a boundary between two stages: one small frozen type for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pengi_stream.options import DecodingOptions, Prompt
from pengi_stream.positions import ReadPosition

Samples = NDArray[np.float32]
NS_PER_S = 1_000_000_000

Plain: TypeAlias = "str | int | float | bool | tuple[Plain, ...] | None"
"""An immutable value that can be written down"""


@dataclass(frozen=True, slots=True)
class Stream:
    """One microphone, file or Kafka key."""

    id: str
    session: str = ""
    """Tells two runs of a live source apart (its start time); constant for files and Kafka."""
    live: bool = False
    """A live stream cannot wait: its windows go first, and old ones are shed."""


@dataclass(frozen=True, slots=True)
class TimeMap:
    """Sample index -> UTC, by an anchor and a rate; the index is the truth, the time is derived."""

    anchor_sample: int
    """Index, at the source's rate, of the sample that lies at `anchor_ns`."""
    anchor_ns: int
    """UTC, nanoseconds since 1970-01-01."""
    rate: float
    """Hertz, as measured; the nominal rate where nothing was measured."""

    def at(self, sample: int | Fraction) -> int:
        """UTC in nanoseconds of `sample`, counted at the source's rate; exact, so independent of frame sizes."""
        return self.anchor_ns + round(Fraction(sample - self.anchor_sample) * NS_PER_S / Fraction(self.rate))


@dataclass(frozen=True, slots=True)
class StreamState:
    """How far one stream of a lane is done; with it, and what the source counts, a replay repeats nothing."""

    stream: Stream
    next_sample: int
    """First sample, at the model's rate, of the oldest window that is not done"""
    next_offset: int
    """Gaps, ends and bad records of the stream that come from earlier offsets are done."""
    behind: tuple[tuple[str, Plain], ...] = ()
    """What the stages behind the model know of the stream after the last window that is done, by their key"""


@dataclass(frozen=True, slots=True)
class CommitPosition:
    """Where a lane is: all before is durable. It goes back to the source."""

    lane: str
    offset: int
    """Of the first item that is not done, as a ReadPosition counts"""
    assignment: int = 0
    states: tuple[StreamState, ...] = ()
    """Of the lane's streams"""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Audio as it arrives: samples of one stream, next to each other."""

    stream: Stream
    first_sample: int
    """Index of the first sample since the stream's start, at `sample_rate`."""
    samples: Samples  # (time, channels)
    sample_rate: int
    """Hertz"""
    time: TimeMap
    position: ReadPosition | None = None
    segment_sample: int | None = None
    """First sample of its segment, where that was heard before a restart; None: as the windower finds."""

    @property
    def end_sample(self) -> int:
        return self.first_sample + len(self.samples)


@dataclass(frozen=True, slots=True)
class Gap:
    """Samples that are missing from a stream; a new segment begins behind them."""

    stream: Stream
    first_sample: int
    """Index of the first missing sample, at the source's rate."""
    missing_samples: int
    sample_rate: int
    """Hertz"""
    time: TimeMap
    reason: str
    position: ReadPosition | None = None

    @property
    def end_sample(self) -> int:
        return self.first_sample + self.missing_samples


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """The stream is over: its tail is applied and its state freed."""

    stream: Stream
    position: ReadPosition | None = None


@dataclass(frozen=True, slots=True)
class BadRecord:
    """Input that cannot be processed, on its way to the dead letters."""

    stream: Stream
    reason: str
    """One line: what was found and what was expected."""
    exception: str = ""
    """Class name of the error behind it."""
    value: bytes | None = None
    """Original bytes, where the source has them at hand."""
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    time_ns: int = 0
    """UTC of the place in the stream that it concerns, as far as the source knows"""
    position: ReadPosition | None = None
    kept: bool = False
    """Another process refused it, and has kept it; here it only becomes an event"""
    origin: ReadPosition | None = None
    """Its position there"""


@dataclass(frozen=True, slots=True)
class Resumed:
    """A stream that was heard before a restart, or by another worker: what is done of it is not given again."""

    stream: Stream
    state: StreamState
    position: ReadPosition


@dataclass(frozen=True, slots=True)
class Revoked:
    """A stream went to another worker: it is forgotten, without its tail."""

    stream: Stream
    position: ReadPosition


SourceItem = Frame | Gap | StreamEnd | BadRecord | Resumed | Revoked


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Window:
    """What the model sees: a fixed number of samples of one segment."""

    stream: Stream
    segment_sample: int
    """First sample of the window's segment, at `sample_rate`."""
    first_sample: int
    """Index of the first sample since the stream's start, at `sample_rate`."""
    samples: Samples  # (window_samples,)
    valid_samples: int
    """Samples before the tail's padding or repetition."""
    sample_rate: int
    """Hertz, the model's"""
    start_ns: int
    """UTC of the first sample"""
    end_ns: int
    """UTC of the end of the valid samples"""
    ready_s: float
    """Monotonic time at which its last sample arrived"""
    position: ReadPosition | None = None
    """Of the record from which a replay would make this window again"""
    origin: ReadPosition | None = None
    """Of the record of audio in which it begins, where another process cut it"""

    @property
    def offset_s(self) -> float:
        """Seconds since the stream's start."""
        return self.first_sample / self.sample_rate


@dataclass(frozen=True, slots=True)
class WindowShape:
    """The windows that a model sees."""

    sample_rate: int
    """Hertz"""
    samples: int


@dataclass(frozen=True, slots=True)
class WindowGrid:
    """The windows that a model sees, and where they may lie."""

    sample_rate: int
    """Hertz"""
    window_samples: int
    hop_grid_samples: int
    """Hops that are a multiple of this let overlapping windows share work"""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A window and one prompt."""

    window: Window
    prompt: Prompt
    sequence: int = 0
    """Tells it from all others of its pipeline"""

    @property
    def stream(self) -> Stream:
        return self.window.stream

    @property
    def first_sample(self) -> int:
        return self.window.first_sample

    @property
    def options(self) -> DecodingOptions:
        return self.prompt.options


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Requests that go through the model together: same options, same labels."""

    requests: tuple[Request, ...]

    def __post_init__(self) -> None:
        if not self.requests:
            raise ValueError("a batch needs at least one request")
        if len({(r.prompt.options, r.prompt.labels) for r in self.requests}) > 1:
            raise ValueError("the requests of a batch must share decoding options and labels")

    @property
    def options(self) -> DecodingOptions:
        return self.requests[0].prompt.options

    @property
    def labels(self) -> tuple[str, ...]:
        return self.requests[0].prompt.labels


@dataclass(frozen=True, slots=True)
class Generation:
    """What the model said to one request."""

    request: Request
    text: str
    confidence: float
    """0 to 1"""
    scores: Mapping[str, float] | None = None
    """Close-ended prompts: a score per label, their sum is 1."""
    tokens: int = 0
    """Tokens that were generated."""
    repeated: bool = False
    """The answer about an earlier window, from which this one hardly differs: see `Prompt.novelty`."""

"""Contracts of the parts that users replace: sources, models, sinks, dead letters. What they have no use for has a
default."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from pengi_stream.clock import Clock, Deadline, SystemClock
from pengi_stream.events import Event
from pengi_stream.metrics import Metrics
from pengi_stream.options import Prompt
from pengi_stream.outcomes import WindowItem
from pengi_stream.status import Status
from pengi_stream.types import BadRecord, Batch, CommitPosition, Generation, Resumed, Revoked, SourceItem, WindowShape

T_contra = TypeVar("T_contra", contravariant=True)


class Progress(Protocol):
    """What a source may know of its own work. Any thread; does not block."""

    def positions(self) -> Sequence[CommitPosition]:
        """Where each lane that was read is: all before is durable. With the state of its streams."""
        ...

    def revoke(self, lane: str, assignment: int) -> None:
        """Another worker has `lane`: work of this assignment and older ones is stale from now on."""
        ...


class Transaction(ABC):
    """What sinks write and up to where their source is done, durable together or not at all. One thread only."""

    @abstractmethod
    def begin(self, positions: Sequence[CommitPosition]) -> Collection[str]:
        """The lanes of `positions` that are still ours, with whose positions the next commit is made; does not block.

        Empty: none of them is, and there is nothing to commit."""

    @abstractmethod
    def commit(self) -> None:
        """Make what was written since the last commit, and the positions that `begin` took, durable as one.

        Raises StaleError where another worker has them by now, SinkError otherwise, with `retry_after_s` where the
        same commit may succeed later."""


@dataclass(frozen=True, slots=True)
class Context:
    """All that a part will ever need of the pipeline around it, when it is built."""

    name: str
    """Of the part"""
    clock: Clock
    metrics: Metrics
    shape: WindowShape | None = None
    """The windows that the model sees; None while the model itself is built"""
    progress: Progress | None = None
    """Of the source's own work, for a `ReplayedSourceConfig`"""
    transactional: bool = False
    """A transaction commits the source's place: it commits nothing itself"""
    transaction: Transaction | None = None
    """What a sink or dead letters write to instead of flushing"""

    @classmethod
    def alone(cls, name: str) -> Context:
        """Of a part that is in no pipeline."""
        return cls(name, SystemClock(), Metrics())


class Source(ABC):
    """What audio and windows come from."""

    def commit(self, position: CommitPosition) -> None:  # noqa: B027
        """All before `position` is durable in every required sink. Any thread may call it; it does not block for
        long. Sources whose items carry no position, and those that ask `Context.progress`, are not told."""

    @abstractmethod
    def close(self) -> None:
        """Let the items end. Any thread, any number of times, before, during or after they are read."""

    def finish(self, deadline: Deadline) -> None:  # noqa: B027
        """Nothing more will be done: commit the last of it and let go. Blocks; raises nothing. Any number of times."""

    def left(self) -> str:
        """What was not read of a source that has an end, in a few words, once it was closed; empty where all was, and
        where there is no end. Any thread."""
        return ""

    def status(self) -> Status:
        """How it is while it is read, and what it waits for. Any thread; does not block."""
        return Status("running")


class AudioSource(Source):
    """Gives the audio of one or many streams."""

    @abstractmethod
    def frames(self) -> Iterator[SourceItem]:
        """Items of all streams, in order within each stream.

        May block until audio arrives. Ends when the source ends, or soon after `close` was called from another
        thread. A stream that is over ends with a `StreamEnd`; input that cannot be read is a `BadRecord`, and the
        source goes on with the next. Raises SourceError when it cannot go on: with `retry_after_s` it is asked again.
        """


class WindowSource(Source):
    """The receiving end of a split deployment: gives windows, and what lies between them, as they were cut."""

    @abstractmethod
    def windows(self) -> Iterator[WindowItem | Resumed | Revoked]:
        """As `AudioSource.frames`, of windows of `Context.shape`; others are bad records."""


class AudioLanguageModel(ABC):
    """Audio and a prompt in, text out."""

    sample_rate: int
    """Hertz at which windows are wanted"""
    window_samples: int
    """Samples in a window"""
    hop_grid_samples: int
    """Hops that are a multiple of this let overlapping windows share work"""
    identity: str
    """Checksum of the checkpoint, and dtype: other texts, other identity"""
    concurrency: int = 1
    """Threads that may call `generate` at once"""

    @abstractmethod
    def generate(self, batch: Batch) -> list[Generation]:
        """One generation per request, in the order of the requests; blocks while it computes.

        A window's text does not depend on its neighbours in the batch. Raises ModelError."""

    def warmup(self) -> None:  # noqa: B027
        """Do once what the first batch would otherwise wait for."""

    def check_prompts(self, prompts: Sequence[Prompt]) -> None:  # noqa: B027
        """Raises ConfigError for one that it could answer about no window. Called before the first window; may compute
        for a moment."""


class Sink(ABC, Generic[T_contra]):
    """Takes what a pipeline makes to where the user wants it. Called by one thread only."""

    wants_samples: bool = False
    """Its events shall have the samples of their windows, until they are flushed"""

    @abstractmethod
    def write(self, items: Sequence[T_contra]) -> None:
        """Take `items`, in order; may buffer. Raises SinkError; then none of them counts as written."""

    @abstractmethod
    def flush(self, deadline: Deadline) -> None:
        """Return when all that was written is durable; with nothing written, when it can be. Raises SinkError, with
        `retry_after_s` where a later flush may succeed. With a `Context.transaction` it only looks whether it can."""

    def close(self) -> None:
        """Release what it holds; does not flush. Any number of times."""


class EventSink(Sink[Event]):
    """Takes events."""


class WindowSink(Sink[WindowItem]):
    """The sending end of a split deployment: as EventSink, of windows of `Context.shape`."""


class DeadLetterSink(Sink[BadRecord]):
    """Keeps what could not be processed, so that it can be looked at and replayed."""

"""Contracts of the parts that users replace: sources, models, sinks, dead letters."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Protocol, runtime_checkable

from pengi_stream.clock import Deadline
from pengi_stream.metrics import Metrics
from pengi_stream.options import Prompt
from pengi_stream.status import Status
from pengi_stream.types import (
    BadRecord,
    Batch,
    Event,
    Generation,
    Position,
    SourceItem,
    WindowGrid,
    WindowItem,
    WindowShape,
)


@runtime_checkable
class AudioSource(Protocol):
    """Gives the audio of one or many streams."""

    def frames(self) -> Iterator[SourceItem]:
        """Items of all streams, in order within each stream.

        May block until audio arrives. Ends when the source ends, or soon after `close` was called from another
        thread. A stream that is over ends with a `StreamEnd`; input that cannot be read is a `BadRecord`, and the
        source goes on with the next. Raises SourceError when it cannot go on at all.
        """
        ...

    def commit(self, position: Position) -> None:
        """All before `position` is durable in every required sink. Any thread may call it; it does not block for
        long. Sources whose items carry no position ignore it."""
        ...

    def close(self) -> None:
        """Let `frames` end. Any thread, any number of times, before, during or after `frames`."""
        ...


@runtime_checkable
class EndingSource(AudioSource, Protocol):
    """A source with an end, before which it may be closed."""

    def left(self) -> str:
        """What was not read of it, in a few words; empty where all was. Any thread, after `close`."""
        ...


class Progress(Protocol):
    """What a source may know of its own work. Any thread; does not block."""

    def positions(self) -> Sequence[Position]:
        """Where each partition that was read is: all before is durable. With the state of its streams."""
        ...

    def revoke(self, partition: str, generation: int) -> None:
        """Another worker has `partition`: work of this generation and older ones is stale from now on."""
        ...


@runtime_checkable
class ReplayedSource(AudioSource, Protocol):
    """A source that asks how far its work is, instead of being told by `commit`, and lets go of it at the end."""

    def follow(self, progress: Progress) -> None:
        """Commit what `progress` says is done. Called once, before `frames`; does not block."""
        ...

    def finish(self, deadline: Deadline) -> None:
        """Nothing more will be done: commit the last of it and let go. Blocks; raises nothing. Any number of times."""
        ...


class SourcePlace(Protocol):
    """Up to where a source is done, as a transaction holds it. For Kafka a `broker.transactions.Place`."""

    @property
    def partitions(self) -> Collection[str]:
        """Those that it is about: events of others have no place in its transaction."""
        ...


@runtime_checkable
class TransactionalSource(ReplayedSource, Protocol):
    """A source whose place can be committed by a sink, together with the events that were made of it."""

    def leave_commits(self) -> None:
        """Commit nothing from now on, neither when partitions are revoked nor at the end: a sink commits what `place`
        gives. Called once, before `frames`."""
        ...

    def place(self, positions: Sequence[Position]) -> SourcePlace | None:
        """What a transaction that makes `positions` durable must hold: offsets with their states, and the proof that
        they are still ours. It leaves out those that are not; None where that is all of them. Any thread; does not
        block."""
        ...


@runtime_checkable
class AudioLanguageModel(Protocol):
    """Audio and a prompt in, text out."""

    sample_rate: int
    """Hertz at which windows are wanted"""
    window_samples: int
    """Samples in a window"""
    hop_grid_samples: int
    """Hops that are a multiple of this let overlapping windows share work"""
    identity: str
    """Checksum of the checkpoint, and dtype: other texts, other identity"""

    def generate(self, batch: Batch) -> list[Generation]:
        """One generation per request, in the order of the requests; blocks while it computes.

        A window's text does not depend on its neighbours in the batch. Raises ModelError."""
        ...

    def warmup(self) -> None:
        """Do once what the first batch would otherwise wait for."""
        ...


@runtime_checkable
class ChecksPrompts(Protocol):
    """A model that knows which prompts it cannot answer."""

    def check_prompts(self, prompts: Sequence[Prompt]) -> None:
        """Raises ConfigError for one that it could answer about no window. Called before the first window; may compute
        for a moment."""
        ...


@runtime_checkable
class KnowsWindows(Protocol):
    """The config of a model that can tell its windows without loading it."""

    def windows(self) -> WindowGrid:
        """As the model that it builds has them. Raises ModelError, as where a checkpoint is missing."""
        ...


@runtime_checkable
class ConcurrentModel(AudioLanguageModel, Protocol):
    """A model that computes several batches side by side."""

    concurrency: int
    """Threads that may call `generate` at once"""


@runtime_checkable
class EventSink(Protocol):
    """Takes events to where the user wants them. Called by one thread only."""

    def write(self, events: Sequence[Event]) -> None:
        """Take `events`, in order; may buffer. Raises SinkError; then none of them counts as written."""
        ...

    def flush(self, deadline: Deadline) -> None:
        """Return when all that was written is durable. Raises SinkError, with `retry_after_s` where a later
        flush may succeed."""
        ...

    def close(self) -> None:
        """Release what it holds; does not flush. Any number of times."""
        ...


@runtime_checkable
class TransactionalSink(EventSink, Protocol):
    """Makes events and positions durable together or not at all."""

    def commit(self, place: SourcePlace) -> None:
        """Make what was written since the last commit, and what `TransactionalSource.place` gave, durable as one.

        Raises SinkError; with `retry_after_s` the same commit may succeed later. Raises StaleError where another worker
        has the place by now; then nothing of it was written, and all of it is forgotten."""
        ...


@runtime_checkable
class WindowSource(Protocol):
    """The receiving end of a split deployment: as AudioSource, cut at Window."""

    def windows(self, shape: WindowShape) -> Iterator[WindowItem]:
        """Windows and what lies between them, in order within each stream; see `AudioSource.frames`.

        Windows that are not of `shape` are bad records."""
        ...

    def commit(self, position: Position) -> None:
        """See `AudioSource.commit`."""
        ...

    def close(self) -> None:
        """See `AudioSource.close`."""
        ...


@runtime_checkable
class WindowSink(Protocol):
    """The sending end of a split deployment: as EventSink, of windows."""

    def expect(self, shape: WindowShape) -> None:
        """Windows of `shape` will come. Called once, before the first write or flush; does not block."""
        ...

    def write(self, items: Sequence[WindowItem]) -> None:
        """Take `items`, in order; may buffer. Raises SinkError; then none of them counts as written."""
        ...

    def flush(self, deadline: Deadline) -> None:
        """Return when all that was written is durable. Raises SinkError."""
        ...

    def close(self) -> None:
        """Release what it holds; does not flush. Any number of times."""
        ...


@runtime_checkable
class DeadLetterSink(Protocol):
    """Keeps what could not be processed, so that it can be looked at and replayed."""

    def write(self, record: BadRecord) -> None:
        """Take one record. Raises SinkError."""
        ...

    def flush(self, deadline: Deadline) -> None:
        """Return when all that was written is durable; with nothing written, when it can be. Raises SinkError."""
        ...

    def close(self) -> None:
        """Release what it holds; does not flush. Any number of times."""
        ...


@runtime_checkable
class TransactionalDeadLetters(DeadLetterSink, Protocol):
    """Keeps bad records in the same transaction as the events."""

    def join(self, sink: TransactionalSink) -> None:
        """From now on what is written becomes durable by the next commit of `sink`, and `flush` does nothing.

        Called once, before the first write. Raises ConfigError where `sink` is elsewhere."""
        ...


@runtime_checkable
class Measured(Protocol):
    """A source, a model, a sink or dead letters that count more than the pipeline can see: lag, drafts that held, time
    to commit."""

    def measure(self, metrics: Metrics) -> None:
        """Count in `metrics` from now on. Called once, before the part is used; does not block."""
        ...


@runtime_checkable
class Watched(Protocol):
    """A source or a sink that knows more of its state than whether its thread runs."""

    def status(self) -> Status:
        """How it is now, and what it waits for. Any thread; does not block."""
        ...

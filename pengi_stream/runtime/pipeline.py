"""A whole pipeline: its stages, wired; run to the end or until it is told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial

import structlog

from pengi_stream.clock import Clock, Deadline, SystemClock
from pengi_stream.errors import ConfigError, PengiStreamError
from pengi_stream.runtime.assembly import Assembly, Outcome
from pengi_stream.runtime.commits import Commits
from pengi_stream.runtime.dead_letters import DeadLetters
from pengi_stream.runtime.health import health
from pengi_stream.runtime.processing import Processing, forwarding, listening
from pengi_stream.runtime.reading import source_readers
from pengi_stream.runtime.sink_writers import SinkTools, SinkWriter, SinkWriters
from pengi_stream.runtime.stage import Abortable, Closable, Stage
from pengi_stream.runtime.tap import Tap
from pengi_stream.runtime.tracker import Tracker
from pengi_stream.runtime.transactions import Ends, TransactionalWriter
from pengi_stream.status import Health

log = structlog.get_logger()

FINISH_S = 10.0  # for the last commits


class Pipeline:
    """Runs once. `run` blocks; `stop` may be called from any thread or signal handler."""

    def __init__(self, assembly: Assembly, *, clock: Clock | None = None) -> None:
        self._assembly = assembly
        self._clock = clock or SystemClock()
        self.metrics = assembly.metrics
        self.tap = Tap(assembly.tap_bytes)
        """Frames as they came, for whoever asks"""
        self._errors: list[str] = []
        self._wake = threading.Event()
        self._stopping = threading.Event()
        feeds, required = assembly.feeds, [sink for sink in assembly.sinks if sink.required]
        self._tracker = assembly.tracker or Tracker(len(feeds), len(required))
        told = {number: feed.source for number, feed in enumerate(feeds) if feed.told}
        self._commits = Commits(self._tracker, told)
        self._dead_letters = DeadLetters(
            assembly.dead_letters,
            clock=self._clock,
            give_up_after_s=assembly.give_up_after_s,
            stopping=self._stopping,
            in_transactions=assembly.transaction is not None,
        )
        self._writers = self._sink_writers()
        self._processing = self._make_processing()
        self._readers = source_readers(
            assembly, self._processing, self._tracker, self._commits, self.tap, self.metrics, self._clock
        )
        self._stages = [*self._reader_stages(), *self._processing_stages(), *self._sink_stages()]
        self._watch_queues()

    def run(self) -> Outcome:
        """Until all sources have ended and all events are durable, or until `stop`, or an error behind the sources."""
        for stage in reversed(self._stages):
            stage.start()
        watcher = threading.Thread(target=self._await_stages, name="watcher", daemon=True)
        watcher.start()
        self._wake.wait()
        if self._stopping.is_set():
            for reader in self._readers:
                reader.supervisor.close()
            watcher.join(self._assembly.drain_s)
        abandoned = self._abandon()
        deadline = Deadline(FINISH_S)
        for feed in self._assembly.feeds:
            feed.source.finish(deadline)
        return Outcome(tuple(self._errors), self._dead_letters.unkept, abandoned, self._unheard())

    def stop(self) -> None:
        """End the sources and drain what was heard, within `drain_s`. Returns at once."""
        self._stopping.set()
        self._wake.set()

    def health(self) -> Health:
        """How its stages, sources and required sinks are now. Any thread; does not block."""
        supervisors = [reader.supervisor for reader in self._readers]
        return health(self._stages, supervisors, self._writers, self._dead_letters)

    def _unheard(self) -> tuple[str, ...]:
        """What the sources that were stopped had left."""
        sources = [feed.source for feed in self._assembly.feeds] if self._stopping.is_set() else []
        return tuple(left for source in sources if (left := source.left()))

    def _await_stages(self) -> None:
        for stage in self._stages:
            stage.join()
        self._wake.set()

    def _source_failed(self, stage: str, error: Exception) -> None:
        """What other sources give goes on, unless the configuration is wrong."""
        if isinstance(error, ConfigError):
            self._failed(stage, error)
            return
        log.error("source_failed", stage=stage, reason=_line(stage, error))
        self._errors.append(_line(stage, error))

    def _failed(self, stage: str, error: Exception) -> None:
        log.debug("stage_failed", stage=stage, exc_info=error)
        if (line := _line(stage, error)) not in self._errors:  # copies of a model say the same
            self._errors.append(line)
        self.stop()

    def _abandon(self) -> int:
        """Cut off what is still on its way, and count it."""
        for channel in (*self._processing.channels, *(writer.channel for writer in self._writers)):
            channel.abort()
        ledgers, ledger = self.metrics.ledgers, "requests" if self._assembly.model else "windows"
        abandoned = ledgers.in_flight(ledger)
        ledgers.leave(ledger, "abandoned", abandoned)
        return abandoned

    def _sink_writers(self) -> list[SinkWriter]:
        assembly = self._assembly
        tools = SinkTools(self._commits, self.metrics, self._clock, assembly.give_up_after_s, self._stopping)
        if assembly.transaction is None:
            return [SinkWriter(sink, tools) for sink in assembly.sinks]
        required = [sink for sink in assembly.sinks if sink.required]
        if len(required) != 1 or len(assembly.feeds) != 1:
            raise ConfigError("exactly_once takes one source and one required sink")
        ends = Ends(assembly.transaction, self._tracker.progress(0), required[0], assembly.dead_letters)
        others = [SinkWriter(sink, tools) for sink in assembly.sinks if not sink.required]
        return [*others, TransactionalWriter(ends, tools)]

    def _make_processing(self) -> Processing:
        sinks = SinkWriters(self._writers, self._commits)
        make = forwarding if self._assembly.model is None else listening
        return make(self._assembly, sinks, self._dead_letters, self._tracker, self._clock)

    def _reader_stages(self) -> list[Stage]:
        stages = []
        for reader in self._readers:
            name, items = reader.supervisor.name, reader.items
            read, take = partial(reader.supervisor.work, items), partial(reader.intake.work, items)
            stages += [
                self._stage(f"source-{name}", read, writes=[items], on_error=self._source_failed),
                self._stage(f"intake-{name}", take, items, self._processing.inputs, on_error=self._source_failed),
            ]
        return stages

    def _processing_stages(self) -> list[Stage]:
        processing, writers = self._processing, [writer.channel for writer in self._writers]
        last = processing.channels[-1]
        workers = [
            self._stage(f"{processing.name}-{number}", work, processing.worked, [last])
            for number, work in enumerate(processing.workers)
        ]
        return [*workers, self._stage("events", processing.hand_on, last, writers)]

    def _sink_stages(self) -> list[Stage]:
        return [self._stage(f"sink-{writer.name}", writer.work, writer.channel) for writer in self._writers]

    def _stage(
        self,
        name: str,
        work: Callable[[], None],
        reads: Abortable | None = None,
        writes: Sequence[Closable] = (),
        *,
        on_error: Callable[[str, Exception], None] | None = None,
    ) -> Stage:
        return Stage(name, work, on_error=on_error or self._failed, reads=reads, writes=writes)

    def _watch_queues(self) -> None:
        queues = self.metrics.queues
        for reader in self._readers:
            queues.watch(f"frames-{reader.supervisor.name}", reader.items)
        for name, channel in zip(self._processing.queues, self._processing.channels, strict=True):
            queues.watch(name, channel)
        for writer in self._writers:
            queues.watch(f"sink-{writer.name}", writer.channel)


def _line(stage: str, error: Exception) -> str:
    return f"{error}" if isinstance(error, PengiStreamError) else f"{stage}: {error!r}"

"""Runs one source: reads it, tries it again where that may help, and says how it is."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator

import structlog

from pengi_stream.clock import Clock
from pengi_stream.engine.backoff import Backoff
from pengi_stream.errors import SourceError
from pengi_stream.outcomes import StatusChange
from pengi_stream.protocols import Source
from pengi_stream.runtime.channel import Channel
from pengi_stream.runtime.intake import SourceOutput
from pengi_stream.runtime.tap import Tap
from pengi_stream.status import StageState, State, Status
from pengi_stream.types import Frame, Gap, Stream, StreamEnd

log = structlog.get_logger()

OF_STAGE: dict[StageState, State] = {
    "waiting": "inactive",
    "running": "running",
    "done": "stopped",
    "failed": "stopped",
}


class Supervisor:
    """Moves all that a source gives to its intake. One thread, but for `status` and `close`.

    A SourceError with `retry_after_s` is a state that shows: the source is read again, after a while. One without ends
    this source; what others give goes on.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        read: Callable[[], Iterator[SourceOutput]],
        *,
        tap: Tap,
        tell: Callable[[StatusChange], None],
        clock: Clock,
    ) -> None:
        """`tell` hears of changes of its state, for each of its streams."""
        self.name = name
        self.source = source
        self._read = read
        self._tap = tap
        self._tell = tell
        self._clock = clock
        self._backoff = Backoff()
        self._closed = threading.Event()
        self._streams: dict[str, Stream] = {}
        self._stalled = ""

    def work(self, items: Channel[SourceOutput, SourceOutput]) -> None:
        """Until the source ends. Raises SourceError when it cannot go on at all."""
        while not self._closed.is_set():
            try:
                for item in self._read():
                    self._note(item)
                    items.put(item)
            except SourceError as error:
                if error.retry_after_s is None:
                    self._change(Status("stopped", str(error)))
                    raise
                self._wait(error, error.retry_after_s)
            else:
                return

    def status(self, stage: StageState) -> Status:
        """How the source is, whose thread is in the state `stage`. Any thread."""
        if stage != "running":
            return Status(OF_STAGE[stage])
        return Status("stalled", self._stalled) if self._stalled else self.source.status()

    def close(self) -> None:
        """End the source, and do not try it again. Any thread; does not block."""
        self._closed.set()
        self.source.close()

    def _wait(self, error: SourceError, retry_after_s: float) -> None:
        wait_s = self._backoff.failed(retry_after_s, random.random())  # noqa: S311  nobody gains by guessing it
        before, self._stalled = self._stalled, str(error)
        if not before:
            log.warning("source_stalled", source=self.name, reason=str(error), retry_after_s=round(wait_s, 1))
            self._change(Status("stalled", str(error)))
        self._closed.wait(wait_s)

    def _note(self, item: SourceOutput) -> None:
        if isinstance(item, Frame):
            self._backoff.gave(item.samples.nbytes, self._clock.monotonic_s())
        if isinstance(item, Frame | Gap | StreamEnd):
            self._tap.put(item)
        if self._stalled:
            self._stalled = ""
            log.warning("source_recovered", source=self.name)
            self._change(Status("running"))
        if isinstance(item, StreamEnd):
            self._streams.pop(item.stream.id, None)
        elif item.stream.id not in self._streams:
            self._streams[item.stream.id] = item.stream

    def _change(self, status: Status) -> None:
        now_ns = self._clock.utc_ns()
        for stream in list(self._streams.values()) or [Stream(self.name)]:
            self._tell(StatusChange(stream, self.name, status, now_ns))

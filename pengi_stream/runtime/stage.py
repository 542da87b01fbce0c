"""A stage: one thread, one loop, one way to end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from pengi_stream.runtime.channel import ChannelClosed
from pengi_stream.status import StageState


class Closable(Protocol):
    """The writing end of a channel."""

    def close(self) -> None: ...


class Abortable(Protocol):
    """The reading end of a channel."""

    def abort(self) -> None: ...


class Stage:
    """Runs `work` in a thread of its own until it returns.

    However it ends, its input is aborted, so that nobody waits to write to it, and its outputs are closed, so that
    what was written still reaches the sinks. An error goes to `on_error`.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], None],
        *,
        on_error: Callable[[str, Exception], None],
        reads: Abortable | None = None,
        writes: Sequence[Closable] = (),
    ) -> None:
        self.name = name
        self.state: StageState = "waiting"
        self._work = work
        self._on_error = on_error
        self._reads = reads
        self._writes = writes
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self.state = "running"
        self._thread.start()

    def join(self) -> None:
        """Wait until the stage has ended."""
        self._thread.join()

    def _run(self) -> None:
        ended: StageState = "failed"
        try:
            self._work()
            ended = "done"
        except ChannelClosed:
            ended = "done"  # whoever closed it has said why
        except Exception as error:  # noqa: BLE001  every failing stage ends the run with its error
            self._on_error(self.name, error)
        finally:
            self.state = ended
            if self._reads is not None:
                self._reads.abort()
            for channel in self._writes:
                channel.close()

"""Asks a sink again that says that a later try may succeed."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from pengi_stream.clock import Clock, Deadline
from pengi_stream.errors import SinkError

log = structlog.get_logger()

FLUSH_S = 30.0
SLOW_S = 10.0  # of one call, until it is told


class Patience:
    """Tries for `give_up_after_s`, and says meanwhile what it waits for. One thread, but for `waits_for`."""

    def __init__(self, name: str, clock: Clock, give_up_after_s: float, stopping: threading.Event) -> None:
        self._name = name
        self._clock = clock
        self._give_up_after_s = give_up_after_s
        self._stopping = stopping
        self._refused = ""
        self._since_s: float | None = None

    @property
    def waits_for(self) -> str:
        """One line: what the sink said, or since when it says nothing. Empty: all is well. Any thread."""
        since_s = self._since_s
        silent_s = 0.0 if since_s is None else self._clock.monotonic_s() - since_s
        if not self._refused and silent_s >= SLOW_S:
            return f"no answer for {silent_s:.0f} s"
        return self._refused

    def until_accepted(self, attempt: Callable[[Deadline], None]) -> None:
        """Return when `attempt` did. Raises SinkError: what will not get better, or did not in time."""
        patience = Deadline(self._give_up_after_s, self._clock)
        while True:
            self._since_s = self._clock.monotonic_s()
            try:
                attempt(Deadline(FLUSH_S, self._clock))
            except SinkError as error:
                if error.retry_after_s is None or patience.expired:
                    raise
                self._refused = str(error)
                log.warning("sink_retry", sink=self._name, reason=str(error), retry_after_s=error.retry_after_s)
                if self._stopping.wait(min(error.retry_after_s, patience.remaining_s())):
                    attempt(Deadline(FLUSH_S, self._clock))
                    return
            else:
                self._refused = ""
                return
            finally:
                self._since_s = None

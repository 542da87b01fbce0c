"""Stored audio at its own speed."""

from __future__ import annotations

import threading

from pengi_stream.clock import Clock


class Pace:
    """Waits until audio would have been heard, had it begun when this was made; `stop` ends each wait."""

    def __init__(self, clock: Clock, stop: threading.Event) -> None:
        self._clock = clock
        self._stop = stop
        self._start_s = clock.monotonic_s()

    def wait_until(self, heard_s: float) -> None:
        """Return when `heard_s` seconds have passed since the start, or at once when stopped."""
        self._stop.wait(max(0.0, self._start_s + heard_s - self._clock.monotonic_s()))

"""SIGTERM and SIGINT end a run in order; a second one, later, ends it at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import structlog

from pengi_stream.clock import Clock, SystemClock
from pengi_stream.runtime.pipeline import Pipeline

log = structlog.get_logger()

SIGNALS = (signal.SIGTERM, signal.SIGINT)
COPIES_S = 0.3  # some send a signal to a process and then to its group: it arrives twice


@dataclass
class Stopped:
    """Whether a signal came."""

    signal: int | None = None
    """The first one"""


@contextmanager
def stopped_by_signals(pipeline: Pipeline, clock: Clock | None = None) -> Iterator[Stopped]:
    """While inside, the first signal drains `pipeline` and the second does what it does by default. Gives what came.

    Copies of the first that come within 0.3 s of it count as one. Only in the main thread.
    """
    since = clock or SystemClock()
    first: list[tuple[int, float]] = []
    stopped = Stopped()

    def stop(number: int, _: FrameType | None) -> None:
        now_s = since.monotonic_s()
        if not first:
            first.append((number, now_s))
            stopped.signal = number
            log.info("stopping", signal=signal.Signals(number).name)
            pipeline.stop()
        elif number != first[0][0] or now_s - first[0][1] > COPIES_S:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    before = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

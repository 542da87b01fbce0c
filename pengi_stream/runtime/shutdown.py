"""SIGTERM and SIGINT end a run in order; a second one ends it at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import structlog

from pengi_stream.runtime.pipeline import Pipeline

log = structlog.get_logger()

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stopped_by_signals(pipeline: Pipeline) -> Iterator[None]:
    """While inside, the first signal drains `pipeline` and the second does what it does by default.

    Only in the main thread.
    """

    def stop(number: int, _: FrameType | None) -> None:
        log.info("stopping", signal=signal.Signals(number).name)
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        pipeline.stop()

    before = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

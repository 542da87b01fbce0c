"""Bad records on their way to where the user wants them."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import structlog

from pengi_stream.clock import Clock
from pengi_stream.protocols import DeadLetterSink
from pengi_stream.runtime.patience import Patience
from pengi_stream.types import BadRecord

log = structlog.get_logger()


class DeadLetters:
    """Keeps bad records, and counts those that had nowhere to go. One thread."""

    def __init__(
        self,
        sink: DeadLetterSink | None,
        *,
        clock: Clock,
        give_up_after_s: float,
        stopping: threading.Event,
        in_transactions: bool = False,
    ) -> None:
        self._sink = sink
        self._patience = Patience("dead_letters", clock, give_up_after_s, stopping)
        self.in_transactions = in_transactions
        """A sink keeps them, together with the events"""
        self.unkept = 0
        """Bad records that were only logged"""

    @property
    def waits_for(self) -> str:
        """Why nothing is kept at the moment; empty: all is well. Any thread."""
        return self._patience.waits_for

    def reach(self) -> None:
        """A flush of nothing tells that the place is there, before any audio is spent. Raises SinkError when not.

        In transactions their sink does it, in its own thread."""
        if self._sink is not None and not self.in_transactions:
            self._patience.until_accepted(self._sink.flush)

    def keep(self, records: Sequence[BadRecord]) -> None:
        """Returns when `records` are durable. Raises SinkError when nobody took them for too long."""
        if self._sink is None:
            self.unkept += len(records)
        elif records and not self.in_transactions:
            sink = self._sink
            self._patience.until_accepted(lambda _: sink.write(records))
            self._patience.until_accepted(sink.flush)

    def close(self) -> None:
        if self._sink is not None:
            self._sink.close()

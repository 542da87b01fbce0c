"""Windows to the sinks as they are: what stands in the middle of a pipeline that asks no model."""

from __future__ import annotations

from dataclasses import dataclass

from pengi_stream.metrics import Metrics
from pengi_stream.runtime.channel import Channel
from pengi_stream.runtime.inference import DeadLetters
from pengi_stream.runtime.outlets import Outlets
from pengi_stream.types import BadRecord, Window, WindowItem


@dataclass(frozen=True, slots=True)
class Forward:
    """Hands windows, and what lies between them, to the outlets, in order."""

    outlets: Outlets
    dead_letters: DeadLetters
    metrics: Metrics

    def work(self, items: Channel[WindowItem, WindowItem]) -> None:
        """Until `items` ends. Raises SinkError when dead letters have no place."""
        try:
            self.dead_letters.reach()
            while (item := items.get()) is not None:
                self._hand_on(item)
        finally:
            self.dead_letters.close()

    def _hand_on(self, item: WindowItem) -> None:
        if isinstance(item, BadRecord):
            self.dead_letters.keep(item)
        elif isinstance(item, Window):
            self.metrics.ledgers.leave("windows", "sent")
        self.outlets.deliver(item)

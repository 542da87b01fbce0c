"""Windows to the sinks as they are: what stands behind the intakes of a pipeline that asks no model."""

from __future__ import annotations

from dataclasses import dataclass

from pengi_stream.engine.watermark import Work
from pengi_stream.metrics import Metrics
from pengi_stream.outcomes import Quiet, WindowItem
from pengi_stream.runtime.channel import Channel
from pengi_stream.runtime.dead_letters import DeadLetters
from pengi_stream.runtime.sink_writers import EVENT_BYTES, Delivery, SinkWriters
from pengi_stream.runtime.tracker import Tracker
from pengi_stream.types import BadRecord, Resumed, Revoked, Window

MOST_AT_ONCE = 256

Sent = tuple[Work, WindowItem]
Windows = Channel[Sent, Sent]


@dataclass(frozen=True, slots=True)
class Sender:
    """Hands on what the intake of one source cuts. One thread."""

    windows: Windows
    tracker: Tracker
    metrics: Metrics

    def take(self, source: int, item: WindowItem | Resumed | Revoked) -> None:
        """See `Next.take`."""
        if isinstance(item, Resumed | Revoked):
            return
        if isinstance(item, Window | Quiet):
            self.metrics.ledgers.enter("windows")
        if isinstance(item, Quiet):
            self.metrics.ledgers.leave("windows", "gated")
        self.windows.put((self.tracker.opened(source, item), item))


@dataclass(frozen=True, slots=True)
class Forward:
    """Takes windows, and what lies between them, to the sinks, in order."""

    sinks: SinkWriters
    dead_letters: DeadLetters
    metrics: Metrics

    def work(self, windows: Windows) -> None:
        """Until `windows` ends. Raises SinkError when dead letters have no place."""
        try:
            self.dead_letters.reach()
            while sent := windows.get_many(MOST_AT_ONCE):
                self.dead_letters.keep([item for _, item in sent if isinstance(item, BadRecord) and not item.kept])
                for work, item in sent:
                    self._hand_on(work, item)
        finally:
            self.dead_letters.close()

    def _hand_on(self, work: Work, item: WindowItem) -> None:
        size = EVENT_BYTES
        if isinstance(item, Window):
            self.metrics.ledgers.leave("windows", "sent")
            size += item.samples.nbytes
        self.sinks.deliver(Delivery(work, (item,), size))


def window_bytes(sent: Sent) -> int:
    """Of its samples"""
    return sent[1].samples.nbytes if isinstance(sent[1], Window) else 0

"""From a source to windows: what is read is cut, and the quiet ones are told apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import structlog

from pengi_stream.clock import Clock
from pengi_stream.engine.done import Done, Repeats
from pengi_stream.engine.gate import Gate
from pengi_stream.engine.windower import Windower
from pengi_stream.errors import SourceError
from pengi_stream.metrics import Metrics
from pengi_stream.outcomes import Quiet, Unheard, WindowItem, span_of
from pengi_stream.positions import ReadPosition
from pengi_stream.runtime.channel import Channel
from pengi_stream.runtime.commits import Commits
from pengi_stream.runtime.tracker import Tracker
from pengi_stream.types import BadRecord, Frame, Resumed, Revoked, SourceItem, StreamEnd, Window

log = structlog.get_logger()

SourceOutput = SourceItem | WindowItem
"""What a source gives"""


class Cutter(Protocol):
    """Makes windows, and what lies between them, of what a source gives."""

    def cut(self, item: SourceOutput) -> Iterable[WindowItem]:
        """What `item` completes, in order. Exhaust it before the next."""
        ...

    def replay_from(self, item: SourceOutput) -> ReadPosition | None:
        """Where a replay must begin to make the next window of the stream of `item` again; None: nothing is held."""
        ...


class Next(Protocol):
    """The stage behind: asks the prompts, or sends windows on as they are."""

    def take(self, source: int, item: WindowItem | Resumed | Revoked) -> None:
        """Blocks while there is no room. Raises ChannelClosed."""
        ...


class FrameCutter:
    """Cuts frames into windows, and finds the quiet ones."""

    def __init__(self, windower: Windower, gate: Gate, metrics: Metrics, clock: Clock) -> None:
        self._windower = windower
        self._gate = gate
        self._metrics = metrics
        self._clock = clock

    def cut(self, item: SourceOutput) -> Iterable[WindowItem]:
        """See `Cutter.cut`."""
        if isinstance(item, Window | Quiet | Unheard):
            raise SourceError(f"{item.stream.id}: found a window from a source of audio, expected frames")
        if isinstance(item, Frame):
            self._metrics.audio_s.inc(len(item.samples) / item.sample_rate)
        late_before, fate = self._windower.late_frames, "used"
        for out in self._windower.push(item, self._clock.monotonic_s()):
            if isinstance(out, BadRecord) and not out.kept:
                fate = "dead_lettered"
            yield self._gated(out)
        if isinstance(item, Frame | BadRecord):
            self._metrics.ledgers.enter("records")
            self._metrics.ledgers.leave("records", "late" if self._windower.late_frames > late_before else fate)

    def replay_from(self, item: SourceOutput) -> ReadPosition | None:
        """See `Cutter.replay_from`."""
        return None if isinstance(item, Window | Quiet | Unheard) else self._windower.replay_from(item)

    def _gated(self, out: WindowItem) -> WindowItem:
        return Quiet(span_of(out)) if isinstance(out, Window) and not self._gate.passes(out) else out


class WindowPasser:
    """Hands on windows that were cut elsewhere."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._done = Done()
        self._repeats = Repeats()

    def cut(self, item: SourceOutput) -> Iterable[WindowItem]:
        """See `Cutter.cut`."""
        match item:
            case Frame():
                raise SourceError(f"{item.stream.id}: found a frame from a source of windows, expected windows")
            case Resumed():
                self._done.resumed(item)
                return
            case Revoked():
                self._done.revoked(item)
                return
        if not (self._done.has(item) or self._repeats.has(item)):
            yield item
        if isinstance(item, StreamEnd):
            self._done.ended(item)
        if isinstance(item, Window | Quiet | Unheard | BadRecord):
            refused = isinstance(item, BadRecord) and not item.kept
            self._metrics.ledgers.enter("records")
            self._metrics.ledgers.leave("records", "dead_lettered" if refused else "used")

    def replay_from(self, item: SourceOutput) -> ReadPosition | None:  # noqa: ARG002
        """Each record is whole in itself."""
        return None


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes what one source gives, in its thread, to the stage behind."""

    source: int
    """Its number among the pipeline's sources"""
    cutter: Cutter
    behind: Next
    tracker: Tracker
    commits: Commits

    def work(self, items: Channel[SourceOutput, SourceOutput]) -> None:
        """Until `items` ends."""
        while (item := items.get()) is not None:
            self._take(item)

    def _take(self, item: SourceOutput) -> None:
        if not isinstance(item, Revoked) and self.tracker.is_stale(self.source, item.position):
            return
        self.tracker.claim(self.source, item.stream)
        for out in self.cutter.cut(item):
            if isinstance(out, BadRecord):
                log.error("bad_record", stream_id=out.stream.id, reason=out.reason)
            self.behind.take(self.source, out)
        replay_from = self.cutter.replay_from(item)
        self.tracker.advanced(self.source, item, replay_from)
        if isinstance(item, Resumed | Revoked):
            self.behind.take(self.source, item)
        self.commits.moved(self.source)
        if _is_over(item, replay_from):
            self.tracker.release(item.stream)


def _is_over(item: SourceOutput, replay_from: ReadPosition | None) -> bool:
    """Nothing of its stream is left: a bad record may be all that there was of it."""
    return isinstance(item, StreamEnd | Revoked) or (
        isinstance(item, BadRecord) and item.position is not None and replay_from is None
    )

"""From a source to requests: one thread reads, one cuts windows and asks the prompts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import structlog

from pengi_stream.clock import Clock
from pengi_stream.engine.gate import Gate
from pengi_stream.engine.windower import Windower
from pengi_stream.metrics import Metrics
from pengi_stream.options import Prompt
from pengi_stream.protocols import AudioSource, WindowSource
from pengi_stream.runtime.channel import Channel
from pengi_stream.runtime.tracker import Tracker
from pengi_stream.types import (
    BadRecord,
    Batch,
    Frame,
    Gap,
    Position,
    Request,
    Resumed,
    Revoked,
    Shed,
    SourceItem,
    Stream,
    StreamEnd,
    Window,
    WindowItem,
    WindowShape,
)

log = structlog.get_logger()

Taken = SourceItem | Window
"""What a source gives"""
Asked = Request | Window | Gap | StreamEnd | BadRecord
"""What goes into the batcher: requests, or windows as they are where no model is asked"""
Ready = Batch | Gap | StreamEnd | BadRecord | Shed
"""What comes out of it"""


def read_source(source: AudioSource, frames: Channel[Taken, Taken]) -> None:
    """Move all that `source` gives into `frames`."""
    for item in source.frames():
        frames.put(item)


def read_windows(source: WindowSource, shape: WindowShape, windows: Channel[Taken, Taken]) -> None:
    """Move all that `source` gives into `windows`."""
    for item in source.windows(shape):
        windows.put(item)


@dataclass(frozen=True, slots=True)
class Intake:
    """Cuts the frames of one source into windows, drops the quiet ones and asks each of the prompts."""

    source: int
    """Its number among the pipeline's sources"""
    windower: Windower | None
    """None: the source gives windows"""
    gate: Gate
    prompts: Sequence[Prompt] | None
    """None: windows are handed on as they are"""
    tracker: Tracker
    parts_per_window: int
    """How often the tracker hears that a window, or a request, is done"""
    metrics: Metrics
    clock: Clock
    _matching: dict[str, tuple[Prompt, ...]] = field(default_factory=dict, init=False)

    def work(self, frames: Channel[Taken, Taken], requests: Channel[Asked, Any]) -> None:
        """Until `frames` ends."""
        while (item := frames.get()) is not None:
            self._take(item, requests)

    def _take(self, item: Taken, requests: Channel[Asked, Any]) -> None:
        if self.tracker.is_stale(self.source, item) and not isinstance(item, Revoked):
            return
        self.tracker.claim(self.source, item.stream)
        late_before, fate = self._late_frames, "used"
        if isinstance(item, Frame):
            self.metrics.audio_s.inc(len(item.samples) / item.sample_rate)
        for out in self._cut(item):
            fate = "dead_lettered" if isinstance(out, BadRecord) and not out.kept else fate
            for asked in self._ask(out):
                requests.put(asked)
        if isinstance(item, Frame | Window | BadRecord):
            self.metrics.ledgers.enter("records")
            self.metrics.ledgers.leave("records", "late" if self._late_frames > late_before else fate)
        hold = self._hold(item)
        self.tracker.advanced(self.source, item, hold)
        if isinstance(item, StreamEnd | Revoked) or (isinstance(item, BadRecord) and item.position and not hold):
            self.tracker.release(item.stream)
            self._matching.pop(item.stream.id, None)

    @property
    def _late_frames(self) -> int:
        return self.windower.late_frames if self.windower else 0

    def _cut(self, item: Taken) -> Iterable[WindowItem]:
        if self.windower is not None and not isinstance(item, Window):
            return self.windower.push(item, self.clock.monotonic_s())
        return () if isinstance(item, Frame | Resumed | Revoked) else (item,)

    def _hold(self, item: Taken) -> Position | None:
        return self.windower.hold(item) if self.windower is not None and not isinstance(item, Window) else None

    def _ask(self, out: WindowItem) -> Sequence[Asked]:
        if not isinstance(out, Window):
            self.tracker.opened(self.source, out, self.parts_per_window)
            if isinstance(out, BadRecord):
                log.error("bad_record", stream_id=out.stream.id, reason=out.reason)
            return [out]
        ledgers = self.metrics.ledgers
        ledgers.enter("windows")
        prompts = None if self.prompts is None else self._prompts_of(out.stream, self.prompts)
        if prompts == () or not self.gate.passes(out):
            ledgers.leave("windows", "gated")
            return []
        if prompts is None:
            self.tracker.opened(self.source, out, self.parts_per_window)
            return [out]
        self.tracker.opened(self.source, out, self.parts_per_window * len(prompts))
        ledgers.leave("windows", "requested")
        ledgers.enter("requests", len(prompts))
        return [Request(out, prompt) for prompt in prompts]

    def _prompts_of(self, stream: Stream, prompts: Sequence[Prompt]) -> tuple[Prompt, ...]:
        if stream.id not in self._matching:
            self._matching[stream.id] = tuple(
                prompt for prompt in prompts if any(fnmatchcase(stream.id, pattern) for pattern in prompt.streams)
            )
        return self._matching[stream.id]

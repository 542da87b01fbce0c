"""From a source to requests: one thread reads, one cuts windows and asks the prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import structlog

from pengi_stream.clock import Clock
from pengi_stream.engine.gate import Gate
from pengi_stream.engine.windower import Windower
from pengi_stream.metrics import Metrics
from pengi_stream.protocols import AudioSource
from pengi_stream.runtime.channel import Channel
from pengi_stream.runtime.tracker import Tracker
from pengi_stream.types import (
    BadRecord,
    Batch,
    Frame,
    Gap,
    Prompt,
    Request,
    Revoked,
    Shed,
    SourceItem,
    Stream,
    StreamEnd,
    Window,
    WindowItem,
)

log = structlog.get_logger()

Asked = Request | Gap | StreamEnd | BadRecord
"""What goes into the batcher"""
Ready = Batch | Gap | StreamEnd | BadRecord | Shed
"""What comes out of it"""


def read_source(source: AudioSource, frames: Channel[SourceItem, SourceItem]) -> None:
    """Move all that `source` gives into `frames`."""
    for item in source.frames():
        frames.put(item)


@dataclass(frozen=True, slots=True)
class Intake:
    """Cuts the frames of one source into windows, drops the quiet ones and asks each of the prompts."""

    source: int
    """Its number among the pipeline's sources"""
    windower: Windower
    gate: Gate
    prompts: Sequence[Prompt]
    tracker: Tracker
    parts_per_request: int
    """How often the tracker hears that a request is done"""
    metrics: Metrics
    clock: Clock
    _matching: dict[str, tuple[Prompt, ...]] = field(default_factory=dict, init=False)

    def work(self, frames: Channel[SourceItem, SourceItem], requests: Channel[Asked, Ready]) -> None:
        """Until `frames` ends."""
        while (item := frames.get()) is not None:
            self._take(item, requests)

    def _take(self, item: SourceItem, requests: Channel[Asked, Ready]) -> None:
        if self.tracker.is_stale(self.source, item) and not isinstance(item, Revoked):
            return
        self.tracker.claim(self.source, item.stream)
        late_before, fate = self.windower.late_frames, "used"
        if isinstance(item, Frame):
            self.metrics.audio_s.inc(len(item.samples) / item.sample_rate)
        for out in self.windower.push(item, self.clock.monotonic_s()):
            fate = "dead_lettered" if isinstance(out, BadRecord) else fate
            for asked in self._ask(out):
                requests.put(asked)
        if isinstance(item, Frame | BadRecord):
            self.metrics.ledgers.enter("records")
            self.metrics.ledgers.leave("records", "late" if self.windower.late_frames > late_before else fate)
        hold = self.windower.hold(item)
        self.tracker.advanced(self.source, item, hold)
        if isinstance(item, StreamEnd | Revoked) or (isinstance(item, BadRecord) and item.position and not hold):
            self.tracker.release(item.stream)
            self._matching.pop(item.stream.id, None)

    def _ask(self, out: WindowItem) -> Sequence[Asked]:
        if not isinstance(out, Window):
            self.tracker.opened(self.source, out, self.parts_per_request)
            if isinstance(out, BadRecord):
                log.error("bad_record", stream_id=out.stream.id, reason=out.reason)
            return [out]
        ledgers = self.metrics.ledgers
        ledgers.enter("windows")
        prompts = self._prompts_of(out.stream)
        if not prompts or not self.gate.passes(out):
            ledgers.leave("windows", "gated")
            return []
        self.tracker.opened(self.source, out, self.parts_per_request * len(prompts))
        ledgers.leave("windows", "requested")
        ledgers.enter("requests", len(prompts))
        return [Request(out, prompt) for prompt in prompts]

    def _prompts_of(self, stream: Stream) -> tuple[Prompt, ...]:
        if stream.id not in self._matching:
            self._matching[stream.id] = tuple(
                prompt for prompt in self.prompts if any(fnmatchcase(stream.id, pattern) for pattern in prompt.streams)
            )
        return self._matching[stream.id]

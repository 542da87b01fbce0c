"""The two threads of each source: one reads, one cuts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import structlog

from pengi_stream.clock import Clock
from pengi_stream.engine.gate import Gate
from pengi_stream.engine.windower import Windower
from pengi_stream.metrics import Metrics
from pengi_stream.runtime.assembly import Assembly, AudioFeed, WindowFeed
from pengi_stream.runtime.channel import Channel, DropOldest
from pengi_stream.runtime.commits import Commits
from pengi_stream.runtime.intake import Cutter, FrameCutter, Intake, SourceOutput, WindowPasser
from pengi_stream.runtime.processing import Processing
from pengi_stream.runtime.supervisor import Supervisor
from pengi_stream.runtime.tap import Tap
from pengi_stream.runtime.tracker import Tracker
from pengi_stream.runtime.waiting import Weighed, samples_bytes
from pengi_stream.types import Frame

log = structlog.get_logger()

FRAMES_WAITING = 256  # frames between a source and its windower


@dataclass(frozen=True, slots=True)
class SourceReader:
    """A source, what is read of it, and what takes that."""

    supervisor: Supervisor
    items: Channel[SourceOutput, SourceOutput]
    intake: Intake


def source_readers(
    assembly: Assembly,
    processing: Processing,
    tracker: Tracker,
    commits: Commits,
    tap: Tap,
    metrics: Metrics,
    clock: Clock,
) -> list[SourceReader]:
    """One for each feed, in order."""
    readers = []
    for number, feed in enumerate(assembly.feeds):
        supervisor = Supervisor(
            feed.name, feed.source, _read(feed), tap=tap, tell=partial(processing.tell, number), clock=clock
        )
        intake = Intake(number, _cutter(feed, assembly, metrics, clock), processing.behind, tracker, commits)
        readers.append(SourceReader(supervisor, _channel(feed, metrics, clock), intake))
    return readers


def _read(feed: AudioFeed | WindowFeed) -> Callable[[], Iterator[SourceOutput]]:
    match feed:
        case AudioFeed(source=audio):
            return audio.frames
        case WindowFeed(source=windows):
            return windows.windows


def _cutter(feed: AudioFeed | WindowFeed, assembly: Assembly, metrics: Metrics, clock: Clock) -> Cutter:
    match feed:
        case AudioFeed():
            return FrameCutter(Windower(assembly.windows), Gate(assembly.min_dbfs), metrics, clock)
        case WindowFeed():
            return WindowPasser(metrics)


def _channel(feed: AudioFeed | WindowFeed, metrics: Metrics, clock: Clock) -> Channel[SourceOutput, SourceOutput]:
    def dropped(item: SourceOutput) -> None:
        metrics.frames_dropped.inc()
        log.debug("frame_dropped", stream_id=item.stream.id)

    match feed:
        case AudioFeed(live=True):
            drop = DropOldest[SourceOutput](FRAMES_WAITING, lambda item: isinstance(item, Frame), dropped)
            return Channel(drop, clock=clock)
        case _:
            return Channel(Weighed[SourceOutput](FRAMES_WAITING, samples_bytes), clock=clock)

"""What the tests of the runtime make their pipelines of."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from pengi_stream.clock import Clock, Deadline
from pengi_stream.engine.segment import WindowSpec
from pengi_stream.models.fake import FakeModelConfig
from pengi_stream.options import Prompt
from pengi_stream.positions import ReadPosition
from pengi_stream.protocols import AudioLanguageModel, DeadLetterSink, EventSink
from pengi_stream.runtime.assembly import Assembly, AudioFeed
from pengi_stream.runtime.pipeline import Pipeline
from pengi_stream.runtime.sink_writers import NamedSink
from pengi_stream.testing import context
from pengi_stream.types import BadRecord, Frame, Stream, TimeMap, Window

T = TypeVar("T")

RATE = 8_000
WINDOW = 800
HOP = 400
PROMPT = Prompt("caption", "generate audio caption")
TIME = TimeMap(0, 0, RATE)
LANE = "audio/0"


def tone(hertz: float, samples: int, first_sample: int = 0) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """(time, 1); 0 Hz: silence."""
    time = (first_sample + np.arange(samples)) / RATE
    return (0.3 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)[:, None]


def frame(
    stream: Stream,
    first_sample: int = 0,
    samples: int = HOP,
    *,
    hertz: float = 440.0,
    offset: int | None = None,
    assignment: int = 0,
    segment_sample: int | None = None,
) -> Frame:
    """A piece of a tone; with `offset`, from a lane that can be replayed."""
    position = None if offset is None else ReadPosition(LANE, offset, assignment)
    return Frame(stream, first_sample, tone(hertz, samples, first_sample), RATE, TIME, position, segment_sample)


def frames(stream: Stream, samples: int, **options: float) -> list[Frame]:
    """A tone in pieces of a hop."""
    return [frame(stream, first, **options) for first in range(0, samples, HOP)]  # type: ignore[arg-type]


def window(
    stream: Stream, number: int = 0, *, hertz: float = 440.0, offset: int | None = None, assignment: int = 0
) -> Window:
    """The one that begins at `number` hops."""
    first, position = number * HOP, None if offset is None else ReadPosition(LANE, offset, assignment)
    samples = tone(hertz, WINDOW, first)[:, 0]
    return Window(stream, 0, first, samples, WINDOW, RATE, TIME.at(first), TIME.at(first + WINDOW), 0.0, position)


def fake() -> AudioLanguageModel:
    """Windows of a tenth of a second."""
    return FakeModelConfig(type="fake", sample_rate=RATE, window_s=WINDOW / RATE).build(context())


def pipeline(
    feeds: Sequence[AudioFeed],
    sinks: Sequence[EventSink | NamedSink],
    *,
    clock: Clock | None = None,
    **options: object,
) -> Pipeline:
    """All sinks are required unless they are named; `options` are those of an Assembly."""
    parts = Assembly(
        name="test",
        model=fake(),
        windows=WindowSpec(RATE, WINDOW, HOP, "repeat"),
        min_dbfs=-60,
        prompts=[PROMPT],
        feeds=feeds,
        sinks=[
            sink if isinstance(sink, NamedSink) else NamedSink(f"sink-{number}", sink, required=True)
            for number, sink in enumerate(sinks)
        ],
    )
    return Pipeline(replace(parts, **options), clock=clock)  # type: ignore[arg-type]


class Keeper(DeadLetterSink):
    """Dead letters in memory; what it was asked, in order."""

    def __init__(self, told: list[object] | None = None) -> None:
        self.told: list[object] = [] if told is None else told
        self.records: list[BadRecord] = []

    def write(self, items: Sequence[BadRecord]) -> None:
        self.records += items
        self.told.append(("write", len(items)))

    def flush(self, deadline: Deadline) -> None:
        self.told.append("flush")

    def close(self) -> None:
        self.told.append("close")


class Running:
    """`work` in a thread of its own."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._given: list[object] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def result(self) -> object:
        """What it returned, or the error that it raised; fails when it does not end."""
        self._thread.join(30)
        assert not self._thread.is_alive(), "goes on, expected an end"
        return self._given[0]

    def _run(self) -> None:
        try:
            self._given.append(self._work())
        except Exception as error:  # noqa: BLE001  whoever asks for the result sees it
            self._given.append(error)

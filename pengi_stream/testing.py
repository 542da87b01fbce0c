"""For tests of pipelines and plugins: a clock, a source and a sink to script, and checks of the contracts.

Each check raises AssertionError with a sentence that says what is broken.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from pengi_stream.clock import Deadline
from pengi_stream.protocols import AudioLanguageModel, AudioSource, EventSink
from pengi_stream.types import (
    Batch,
    Event,
    Frame,
    Gap,
    Generation,
    Position,
    Prompt,
    Request,
    SourceItem,
    Stream,
    StreamEnd,
    Window,
)


class FakeClock:
    """A clock that stands still until it is told to advance."""

    def __init__(self, utc_ns: int = 0, monotonic_s: float = 0.0) -> None:
        self._utc_ns = utc_ns
        self._monotonic_s = monotonic_s

    def utc_ns(self) -> int:
        return self._utc_ns

    def monotonic_s(self) -> float:
        return self._monotonic_s

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self._monotonic_s += seconds
        self._utc_ns += round(seconds * 1e9)


class ScriptedSource:
    """Gives `items`; with `hold_open` it then waits for `close`, as a live source does."""

    def __init__(self, items: Sequence[SourceItem], *, hold_open: bool = False) -> None:
        self._items = items
        self._closed = threading.Event()
        if not hold_open:
            self._closed.set()
        self.commits: list[Position] = []

    def frames(self) -> Iterator[SourceItem]:
        yield from self._items
        self._closed.wait()

    def commit(self, position: Position) -> None:
        self.commits.append(position)

    def close(self) -> None:
        self._closed.set()


class ListSink:
    """Keeps events in memory."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.durable = 0
        """How many of the events were flushed"""

    def write(self, events: Sequence[Event]) -> None:
        self.events.extend(events)

    def flush(self, deadline: Deadline) -> None:  # noqa: ARG002
        self.durable = len(self.events)

    def close(self) -> None:
        """Nothing to release."""


def check_source(source: AudioSource, *, timeout_s: float = 30.0) -> list[SourceItem]:
    """Read a finite `source` to its end and check the contract of AudioSource; returns its items."""
    items: list[SourceItem] = []
    reader = threading.Thread(target=lambda: items.extend(source.frames()), daemon=True)
    reader.start()
    reader.join(timeout_s)
    if reader.is_alive():
        source.close()
        reader.join(timeout_s)
        assert not reader.is_alive(), "frames() must end soon after close(), but it goes on"
    _check_order(items)
    source.commit(Position("none", 0))
    source.close()
    source.close()
    return items


def _check_order(items: Sequence[SourceItem]) -> None:
    expected: dict[str, int] = {}
    ended: set[str] = set()
    for item in items:
        stream = item.stream.id
        assert stream, "every item must carry a stream with an id"
        assert stream not in ended, f"stream {stream!r} goes on after its StreamEnd"
        if isinstance(item, StreamEnd):
            ended.add(stream)
        elif isinstance(item, Frame | Gap):
            if isinstance(item, Frame):
                _check_frame(item)
            known = expected.get(stream, item.first_sample)
            assert item.first_sample >= known, f"{stream!r} gives sample {item.first_sample} after {known - 1}"
            expected[stream] = item.end_sample


def _check_frame(frame: Frame) -> None:
    samples = frame.samples
    assert samples.dtype == np.float32, f"samples are {samples.dtype}, expected float32"
    assert samples.ndim == 2, f"samples have the shape {samples.shape}, expected (time, channels)"
    assert frame.sample_rate > 0, f"the sample rate is {frame.sample_rate} Hz"


def check_sink(sink: EventSink) -> None:
    """Write to `sink`, flush and close it, and check the contract of EventSink."""
    events = [_event(number) for number in range(3)]
    sink.write([])
    sink.write(events[:1])
    sink.write(events[1:])
    sink.flush(Deadline(30))
    assert all(event == _event(number) for number, event in enumerate(events)), "a sink must not change events"
    sink.flush(Deadline(30))
    sink.close()
    sink.close()


def _event(number: int) -> Event:
    start = f"1970-01-01T00:00:0{number}.000Z"
    data = {
        "stream_id": "check",
        "prompt_id": "caption",
        "prompt": "generate audio caption",
        "text": f"ein Vöglein singt\n{number}",
        "confidence": 0.5,
        "window_start": start,
        "window_end": f"1970-01-01T00:00:0{number + 1}.000Z",
        "offset_s": float(number),
        "first_sample": number * 16_000,
        "sample_rate": 16_000,
        "model": "check",
        "processed_at": start,
    }
    return Event(f"check-{number}", "pengi_stream.text", "check", "check", number * 1_000_000_000, data)


def check_model(model: AudioLanguageModel, labels: Sequence[str] = ("dog", "rain", "silence")) -> None:
    """Ask `model` in several batches and check the contract of AudioLanguageModel."""
    assert model.sample_rate > 0, f"sample_rate is {model.sample_rate}"
    assert model.window_samples > 0, f"window_samples is {model.window_samples}"
    assert model.hop_grid_samples > 0, f"hop_grid_samples is {model.hop_grid_samples}"
    assert model.identity, "identity is empty, so that events of different models would share ids"
    model.warmup()
    for prompt in (
        Prompt("caption", "generate audio caption"),
        Prompt("labels", "this is a sound of", labels=tuple(labels)),
    ):
        requests = [Request(_window(model, seed), prompt) for seed in range(4)]
        together = model.generate(Batch(tuple(requests)))
        assert len(together) == len(requests), f"{len(together)} generations for {len(requests)} requests"
        for request, generation in zip(requests, together, strict=True):
            assert generation.request is request, "generations must come in the order of the requests"
            _check_generation(generation)
            _check_same(generation, model.generate(Batch((request,)))[0])


def _window(model: AudioLanguageModel, seed: int) -> Window:
    samples = np.random.default_rng(seed).normal(0, 0.1, model.window_samples).astype(np.float32)
    window = Window(
        stream=Stream("check"),
        segment_sample=0,
        first_sample=0,
        samples=samples,
        valid_samples=len(samples),
        sample_rate=model.sample_rate,
        start_ns=0,
        end_ns=round(len(samples) / model.sample_rate * 1e9),
        ready_s=0.0,
    )
    return replace(window, first_sample=seed * model.window_samples)


def _check_generation(generation: Generation) -> None:
    assert 0 <= generation.confidence <= 1, f"confidence is {generation.confidence}, expected 0 to 1"
    labels = generation.request.prompt.labels
    if not labels:
        assert generation.scores is None, "an open-ended prompt has no scores"
        return
    assert generation.scores is not None, "a close-ended prompt needs a score for each label"
    assert set(generation.scores) == set(labels), (
        f"scores are of {sorted(generation.scores)}, expected {sorted(labels)}"
    )
    assert math.isclose(sum(generation.scores.values()), 1, abs_tol=1e-4), "the scores of a prompt must sum to 1"
    best = max(generation.scores, key=lambda label: generation.scores[label] if generation.scores else 0)
    assert generation.text == best, f"the text is {generation.text!r}, but {best!r} has the best score"


def _check_same(together: Generation, alone: Generation) -> None:
    assert alone.text == together.text, f"{together.text!r} in a batch is {alone.text!r} alone"
    assert math.isclose(alone.confidence, together.confidence, abs_tol=1e-4), "confidence depends on the batch"

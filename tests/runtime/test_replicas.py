"""A pipeline whose model has several copies: everything arrives once, in order, whichever copy is slow or fails."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from pengi_stream.engine.segment import WindowSpec
from pengi_stream.errors import ModelError
from pengi_stream.events import GapEvent, TextEvent
from pengi_stream.models.fake import FakeModel
from pengi_stream.models.replicas import Replicas
from pengi_stream.options import Prompt
from pengi_stream.positions import ReadPosition
from pengi_stream.protocols import AudioLanguageModel
from pengi_stream.runtime.assembly import Assembly, AudioFeed, Outcome
from pengi_stream.runtime.pipeline import Pipeline
from pengi_stream.runtime.sink_writers import NamedSink
from pengi_stream.testing import ListSink, ScriptedSource
from pengi_stream.types import Batch, Frame, Gap, Generation, SourceItem, Stream, StreamEnd, TimeMap

RATE, WINDOW = 16_000, 1_600
PROMPTS = (Prompt("caption", "generate audio caption"), Prompt("label", "this is a sound of", labels=("rain", "dog")))
AHEAD = 5  # batches that the fast device does while the slow one is at its first


class Device(FakeModel):
    """A fake model that may be broken, or refuse the window at a sample."""

    def __init__(self, *, broken: bool = False, refuses: int | None = None) -> None:
        super().__init__(RATE, WINDOW)
        self._broken = broken
        self._refuses = refuses

    def generate(self, batch: Batch) -> list[Generation]:
        heard = [request.first_sample for request in batch.requests if request.window.samples.any()]
        if self._broken or self._refuses in heard:
            raise ModelError("out of memory")
        return super().generate(batch)


class Fast(Device):
    """Says when it is ahead."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = threading.Event()
        self._done = 0

    def generate(self, batch: Batch) -> list[Generation]:
        self._done += 1
        if self._done == AHEAD:
            self.ahead.set()
        return super().generate(batch)


class Slow(Device):
    """Keeps its first batch until the fast one is ahead, and then looks at what was committed."""

    def __init__(self, fast: Fast, source: ScriptedSource) -> None:
        super().__init__()
        self._fast = fast
        self._source = source
        self.kept: Batch | None = None
        self.committed: dict[str, int] = {}

    def generate(self, batch: Batch) -> list[Generation]:
        assert self._fast.ahead.wait(20)
        if self.kept is None:
            self.kept = batch
            self.committed = offsets(self._source)
        return super().generate(batch)


def heard(stream: Stream, first_sample: int = 0) -> list[Frame]:
    """A second that gets louder, as ten frames with positions: frame k has the offset k."""
    time = np.arange(RATE)
    samples = (np.linspace(0.1, 0.5, RATE) * np.sin(2 * np.pi * 440 * time / RATE)).astype(np.float32)[:, None]
    return [
        Frame(
            stream,
            first_sample + start,
            samples[start : start + WINDOW],
            RATE,
            TimeMap(0, 0, RATE),
            ReadPosition(stream.id, (first_sample + start) // WINDOW),
        )
        for start in range(0, RATE, WINDOW)
    ]


def recording() -> list[SourceItem]:
    """Two streams in turn; one has a hole after its first second."""
    a, b = Stream("a"), Stream("b")
    hole = Gap(a, RATE, RATE, RATE, TimeMap(0, 0, RATE), "unplugged", ReadPosition("a", 10))
    first = [item for pair in zip(heard(a), heard(b), strict=True) for item in pair]
    ends = [StreamEnd(stream, ReadPosition(stream.id, 30)) for stream in (a, b)]
    return [*first, hole, *heard(a, 2 * RATE), *ends]


def offsets(source: ScriptedSource) -> dict[str, int]:
    """The last one that was committed, by partition."""
    return {position.lane: position.offset for position in source.commits}


def run(model: AudioLanguageModel, sink: ListSink, source: ScriptedSource | None = None) -> tuple[Outcome, Pipeline]:
    source = source or ScriptedSource(recording())
    parts = Assembly(
        name="test",
        model=model,
        windows=WindowSpec(RATE, WINDOW, WINDOW // 2, "repeat"),
        min_dbfs=-60,
        prompts=PROMPTS,
        feeds=[AudioFeed("source", source, live=False)],
        sinks=[NamedSink("list", sink, required=True)],
        max_batch_size=2,
        max_wait_s=0.01,
    )
    pipeline = Pipeline(parts)
    return pipeline.run(), pipeline


def copies(*devices: Device) -> Replicas:
    return Replicas([(f"device {number}", device) for number, device in enumerate(devices)])


def in_order(sink: ListSink) -> dict[tuple[str, object], list[tuple[str, object]]]:
    """Ids and samples by stream and prompt, in the order of the sink; gaps are in each of the stream's lists."""
    lines: dict[tuple[str, object], list[tuple[str, object]]] = {}
    for event in sink.events:
        match event:
            case TextEvent():
                line = lines.setdefault((event.stream_id, event.prompt_id), [])
                line.append((event.id, event.first_sample))
            case GapEvent():
                for prompt in PROMPTS:
                    line = lines.setdefault((event.stream_id, prompt.id), [])
                    line.append((event.id, event.first_sample))
    return lines


@pytest.fixture(scope="module")
def expected() -> ListSink:
    """What one device gives."""
    sink = ListSink()
    assert run(Device(), sink)[0].ok
    assert len(in_order(sink)) == 4
    return sink


def test_replicas_are_a_model_that_threads_share() -> None:
    assert copies(Device(), Device()).concurrency == 2
    assert Device().concurrency == 1


def test_a_slow_copy_changes_neither_order_nor_content(expected: ListSink) -> None:
    fast, sink, source = Fast(), ListSink(), ScriptedSource(recording())
    outcome, pipeline = run(copies(Slow(fast, source), fast), sink, source)
    assert outcome.ok
    assert in_order(sink) == in_order(expected)
    assert offsets(source) == {"a": 31, "b": 31}
    assert pipeline.metrics.ledgers.in_flight("requests") == 0


def test_no_position_behind_a_batch_that_a_slow_copy_keeps_is_committed() -> None:
    fast, source = Fast(), ScriptedSource(recording())
    slow = Slow(fast, source)
    assert run(copies(slow, fast), ListSink(), source)[0].ok
    assert slow.kept is not None
    for request in slow.kept.requests:
        position = request.window.position
        assert position is not None
        assert slow.committed.get(position.lane, 0) <= position.offset


def test_a_copy_that_always_fails_loses_nothing(expected: ListSink) -> None:
    sink = ListSink()
    outcome, pipeline = run(copies(Device(broken=True), Device()), sink)
    assert outcome.ok
    assert in_order(sink) == in_order(expected)
    assert pipeline.metrics.ledgers.count("requests", "failed") == 0


def test_a_window_on_which_all_copies_fail_is_reported_and_the_rest_is_done(expected: ListSink) -> None:
    sink = ListSink()
    outcome, pipeline = run(copies(Device(refuses=RATE // 2), Device(refuses=RATE // 2)), sink)
    assert (outcome.errors, outcome.bad_records) == ((), 4)  # two streams, two prompts
    assert pipeline.metrics.ledgers.count("requests", "failed") == 4
    refused = RATE // 2
    for key, line in in_order(expected).items():
        assert in_order(sink)[key] == [entry for entry in line if entry[1] != refused]


def test_when_every_copy_fails_on_everything_the_run_ends_with_the_error() -> None:
    outcome, _ = run(copies(Device(broken=True), Device(broken=True)), ListSink())
    assert outcome.errors == ("the model fails on every window: out of memory",)


class Bug(Device):
    """Fails as no model should."""

    def generate(self, batch: Batch) -> list[Generation]:
        raise KeyError("a bug")


def test_an_unexpected_error_in_one_copy_ends_the_run_in_good_time() -> None:
    outcome, _ = run(copies(Device(), Bug()), ListSink())
    assert "a bug" in outcome.errors[0]

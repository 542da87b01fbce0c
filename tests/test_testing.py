from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from pengi_stream.clock import Deadline
from pengi_stream.errors import SinkError, SourceError
from pengi_stream.protocols import AudioLanguageModel, AudioSource, EventSink
from pengi_stream.testing import FakeClock, ListSink, ScriptedSource, check_model, check_sink, check_source
from pengi_stream.types import (
    BadRecord,
    Batch,
    Event,
    Frame,
    Gap,
    Generation,
    Position,
    SourceItem,
    Stream,
    StreamEnd,
    TimeMap,
)

DOOR = Stream("door")
TIME = TimeMap(0, 0, 16_000)
FRAME = Frame(DOOR, 0, np.zeros((100, 1), np.float32), 16_000, TIME)
NEXT = replace(FRAME, first_sample=100)
GAP = Gap(DOOR, 200, 50, 16_000, TIME, "unplugged")
BAD = BadRecord(DOOR, "is no audio")
END = StreamEnd(DOOR)


def test_a_fake_clock_stands_still_until_it_is_advanced() -> None:
    clock = FakeClock(utc_ns=5, monotonic_s=1.0)
    deadline = Deadline(2.0, clock)
    assert (clock.utc_ns(), clock.monotonic_s()) == (5, 1.0)
    clock.advance(1.5)
    assert (clock.utc_ns(), deadline.remaining_s()) == (1_500_000_005, 0.5)
    clock.advance(0.5)
    assert deadline.expired


def test_a_scripted_source_remembers_what_was_committed() -> None:
    source = ScriptedSource([FRAME, END])
    source.commit(Position("audio/0", 3))
    assert list(source.frames()) == [FRAME, END]
    assert source.commits == [Position("audio/0", 3)]


def test_a_list_sink_fails_as_scripted_and_then_keeps_events() -> None:
    sink = ListSink(failures=[SinkError("full", 1.0)])
    event = Event("1", "pengi_stream.gap", "p", "s", 0, {"reason": "x"})
    with pytest.raises(SinkError, match="full"):
        sink.write([event])
    sink.write([event])
    assert (sink.events, sink.durable) == ([event], 0)
    sink.flush(Deadline(1))
    assert sink.durable == 1


def test_sources_that_keep_the_contract_pass() -> None:
    items = [FRAME, NEXT, GAP, replace(FRAME, first_sample=250), BAD, END, BadRecord(Stream("b"), "empty")]
    assert check_source(ScriptedSource(items)) == items


def test_a_source_that_does_not_end_by_itself_is_closed() -> None:
    source = ScriptedSource([FRAME, NEXT], hold_open=True)
    assert check_source(source, close_after=2) == [FRAME, NEXT]


WRONG_ITEMS: list[tuple[str, list[object], str]] = [
    ("foreign", ["audio"], "gave a str, which is no SourceItem"),
    ("nameless", [replace(FRAME, stream=Stream(""))], "without an id"),
    ("undead", [FRAME, END, NEXT], "goes on after its StreamEnd with a Frame"),
    ("endless", [FRAME], "'door' has no StreamEnd"),
    ("backwards", [NEXT, FRAME, END], "goes back to sample 0 from 200"),
    ("anachronous", [FRAME, replace(NEXT, time=TimeMap(0, -(10**9), 16_000)), END], "time of stream 'door' goes back"),
    ("double", [replace(FRAME, samples=np.zeros((100, 1), np.float64)), END], "samples are float64"),
    ("flat", [replace(FRAME, samples=np.zeros(100, np.float32)), END], r"shape \(100,\)"),
    ("mute", [replace(FRAME, samples=np.zeros((100, 0), np.float32)), END], "no channel"),
    ("timeless", [replace(FRAME, sample_rate=0), END], "sample rate of 0 Hz"),
    ("hollow", [replace(GAP, missing_samples=0), END], "misses 0 samples"),
    ("silent", [replace(BAD, reason="")], "gives no reason"),
    ("verbose", [replace(BAD, reason="a\nb")], "not one line"),
]


@pytest.mark.parametrize(("items", "message"), [w[1:] for w in WRONG_ITEMS], ids=[w[0] for w in WRONG_ITEMS])
def test_items_that_break_the_contract_of_a_source_are_named(items: list[SourceItem], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_source(ScriptedSource(items))


class Deaf(ScriptedSource):
    """Does not hear `close`."""

    def close(self) -> None:
        """Ignored."""


class Unplugged(ScriptedSource):
    def frames(self) -> Iterator[SourceItem]:
        yield FRAME
        raise SourceError("the cable is out")


class Uncommitted(ScriptedSource):
    def commit(self, position: Position) -> None:
        raise NotImplementedError("no commit")


WRONG_SOURCES: list[tuple[AudioSource, int | None, type[Exception], str]] = [
    (Deaf([FRAME], hold_open=True), 1, AssertionError, "of a closed source goes on"),
    (ScriptedSource([FRAME], hold_open=True), None, AssertionError, "goes on after 0.1 s"),
    (Unplugged([]), None, AssertionError, "the cable is out"),
    (Uncommitted([FRAME, END]), None, NotImplementedError, "no commit"),
]


@pytest.mark.parametrize(("source", "close_after", "error", "message"), WRONG_SOURCES)
def test_sources_that_break_the_contract_are_named(
    source: AudioSource, close_after: int | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        check_source(source, close_after=close_after, timeout_s=0.1)


def test_sinks_that_keep_the_contract_pass() -> None:
    sink = ListSink()
    check_sink(sink)
    kinds = {event.type.removeprefix("pengi_stream.") for event in sink.events}
    assert kinds == {"text", "gap", "drop", "source"}
    assert sink.durable == len(sink.events)


class OnlyTexts(ListSink):
    def write(self, events: Sequence[Event]) -> None:
        super().write([event for event in events if event.data["text"]])


class Picky(ListSink):
    def write(self, events: Sequence[Event]) -> None:
        _ = events[0]


class Meddling(ListSink):
    def write(self, events: Sequence[Event]) -> None:
        for event in events:
            event.data["text"] = "changed"  # type: ignore[index]


class OnceOnly(ListSink):
    def close(self) -> None:
        del self.events


class Hanging(ListSink):
    def flush(self, deadline: Deadline) -> None:
        threading.Event().wait()


WRONG_SINKS = [
    (OnlyTexts(), r"write\(\) of a pengi_stream.gap raised KeyError"),
    (Picky(), r"write\(\) of no events raised IndexError"),
    (Meddling(), "changed an event's data"),
    (OnceOnly(), r"second close\(\) raised AttributeError"),
    (Hanging(), r"flush\(\) of nothing goes on after 0.1 s"),
    (ListSink([SinkError("no route")]), "no route"),
]


@pytest.mark.parametrize(("sink", "message"), WRONG_SINKS, ids=lambda value: type(value).__name__)
def test_sinks_that_break_the_contract_are_named(sink: EventSink, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_sink(sink, timeout_s=0.1)


class LoudnessModel:
    """Says how loud a window is; `change` breaks it."""

    sample_rate = 16_000
    window_samples = 1_600
    hop_grid_samples = 160
    identity = "loudness"

    def __init__(self, change: Callable[[list[Generation]], list[Generation]] = lambda said: said) -> None:
        self._change = change
        self.batches = 0

    def generate(self, batch: Batch) -> list[Generation]:
        self.batches += 1
        return self._change([self._say(request.window.samples.std(), request) for request in batch.requests])

    def warmup(self) -> None:
        """Nothing to warm."""

    def _say(self, level: float, request: object) -> Generation:
        assert hasattr(request, "prompt")
        labels = request.prompt.labels
        scores = {label: 0.6 if n == 0 else 0.4 / (len(labels) - 1) for n, label in enumerate(labels)} or None
        return Generation(request, labels[0] if labels else f"level {level:.2f}", 0.5, scores)  # type: ignore[arg-type]


def each(**changes: object) -> Callable[[list[Generation]], list[Generation]]:
    return lambda said: [replace(generation, **changes) for generation in said]  # type: ignore[arg-type]


def with_scores(change: Callable[[dict[str, float]], dict[str, float]]) -> Callable[..., list[Generation]]:
    return lambda said: [replace(g, scores=change(dict(g.scores)) if g.scores else None) for g in said]


def test_models_that_keep_the_contract_pass() -> None:
    check_model(LoudnessModel())


def numbered(model: LoudnessModel) -> LoudnessModel:
    model._change = lambda said: [replace(g, text=g.text if g.scores else f"batch {model.batches}") for g in said]
    return model


def moody(model: LoudnessModel) -> LoudnessModel:
    """Says something else to whole batches after the first."""

    def change(said: list[Generation]) -> list[Generation]:
        again = len(said) > 1 and model.batches > 2
        return [replace(g, confidence=0.9) if again else g for g in said]

    model._change = change
    return model


def without(name: str, value: object) -> LoudnessModel:
    model = LoudnessModel()
    setattr(model, name, value)
    return model


WRONG_MODELS: list[tuple[AudioLanguageModel, str]] = [
    (without("sample_rate", 0), "sample_rate is 0"),
    (without("window_samples", 0), "window_samples is 0"),
    (without("hop_grid_samples", 0), "hop_grid_samples is 0"),
    (without("identity", ""), "identity is empty"),
    (LoudnessModel(lambda said: said[:1]), "1 generations for 4 requests"),
    (LoudnessModel(lambda said: said[::-1]), "not in the order"),
    (LoudnessModel(each(confidence=1.5)), "confidence is 1.5"),
    (LoudnessModel(each(confidence=float("nan"))), "confidence is nan"),
    (LoudnessModel(each(scores={"dog": 1.0})), "open-ended prompt got scores"),
    (LoudnessModel(each(scores=None)), "close-ended prompt got no scores"),
    (LoudnessModel(with_scores(lambda s: {**s, "cat": 0.0})), "scores are of"),
    (LoudnessModel(with_scores(lambda s: {k: v / 2 for k, v in s.items()})), "sum to 0.5"),
    (LoudnessModel(lambda said: [replace(g, text="rain") if g.scores else g for g in said]), "'dog' scores best"),
    (LoudnessModel(lambda said: [replace(g, text=f"one of {len(said)}") for g in said]), "'one of 1' alone"),
    (numbered(LoudnessModel()), "'batch 2' alone"),
    (LoudnessModel(lambda said: [replace(g, confidence=0.5 / len(said)) for g in said]), "and 0.5 alone"),
    (moody(LoudnessModel()), "0.9 the second time"),
]


@pytest.mark.parametrize(("model", "message"), WRONG_MODELS, ids=[w[1] for w in WRONG_MODELS])
def test_models_that_break_the_contract_are_named(model: AudioLanguageModel, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_model(model)

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
import pytest
from given import GivenModel, GivenSink, GivenSource, GivenWindowSink, GivenWindowSource
from some_events import gap_event

from pengi_stream.clock import Deadline, SystemClock
from pengi_stream.errors import SinkError, SourceError
from pengi_stream.events import EVENTS, Event
from pengi_stream.metrics import Metrics
from pengi_stream.options import Prompt
from pengi_stream.outcomes import Quiet, WindowItem, span_of
from pengi_stream.plugins import DeadLettersConfig, SourceConfig
from pengi_stream.protocols import (
    AudioLanguageModel,
    AudioSource,
    Context,
    DeadLetterSink,
    EventSink,
    Source,
    WindowSink,
    WindowSource,
)
from pengi_stream.testing import (
    FakeClock,
    ListSink,
    NoProgress,
    ScriptedSource,
    check_dead_letters,
    check_model,
    check_sink,
    check_source,
    check_window_sink,
    check_window_source,
    context,
)
from pengi_stream.testing.models import noise_window
from pengi_stream.types import (
    BadRecord,
    Batch,
    CommitPosition,
    Frame,
    Gap,
    Generation,
    Request,
    SourceItem,
    Stream,
    StreamEnd,
    TimeMap,
    WindowGrid,
    WindowShape,
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
    source.commit(CommitPosition("audio/0", 3))
    assert list(source.frames()) == [FRAME, END]
    assert source.commits == [CommitPosition("audio/0", 3)]


def test_a_scripted_source_fails_as_scripted_and_goes_on_when_it_is_asked_again() -> None:
    source = ScriptedSource([FRAME, SourceError("the cable is out", 1.0), END])
    items = source.frames()
    assert next(items) == FRAME
    with pytest.raises(SourceError, match="the cable is out") as caught:
        next(items)
    assert caught.value.retry_after_s == 1.0
    assert list(source.frames()) == [END]


def test_a_part_is_built_as_a_pipeline_would_but_for_what_a_test_says() -> None:
    clock, metrics = FakeClock(), Metrics()
    made = context("yard", clock=clock, metrics=metrics, shape=WindowShape(8_000, 10), transactional=True)
    assert (made.name, made.clock, made.metrics, made.shape) == ("yard", clock, metrics, WindowShape(8_000, 10))
    assert made.transactional
    assert isinstance(context().clock, SystemClock)
    assert isinstance(context().progress, NoProgress)
    assert (context().shape, context().transaction) == (WindowShape(16_000, 16_000), None)
    assert list(NoProgress().positions()) == []


def test_a_list_sink_fails_as_scripted_and_then_keeps_events() -> None:
    sink = ListSink(failures=[SinkError("full", 1.0)])
    event = gap_event()
    with pytest.raises(SinkError, match="full"):
        sink.write([event])
    sink.write([event])
    assert (sink.events, sink.durable) == ([event], 0)
    sink.flush(Deadline(1))
    assert sink.durable == 1


def test_sources_that_keep_the_contract_pass() -> None:
    items = [FRAME, NEXT, GAP, replace(FRAME, first_sample=250), BAD, END, BadRecord(Stream("b"), "empty")]
    assert check_source(GivenSource(part=ScriptedSource(items))) == items


def test_a_source_that_does_not_end_by_itself_is_closed() -> None:
    source = ScriptedSource([FRAME, NEXT], hold_open=True)
    assert check_source(GivenSource(part=source), close_after=2) == [FRAME, NEXT]


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
        check_source(GivenSource(part=ScriptedSource(items)))


class Deaf(ScriptedSource):
    """Does not hear `close`."""

    def close(self) -> None:
        """Ignored."""


class Unplugged(ScriptedSource):
    def frames(self) -> Iterator[SourceItem]:
        yield FRAME
        raise SourceError("the cable is out")


class Uncommitted(ScriptedSource):
    def commit(self, position: CommitPosition) -> None:
        raise NotImplementedError("no commit")


class Stateless(ScriptedSource):
    def finish(self, deadline: Deadline) -> None:
        raise OSError("no broker")


WRONG_SOURCES: list[tuple[AudioSource, int | None, type[Exception], str]] = [
    (Deaf([FRAME], hold_open=True), 1, AssertionError, "when it is closed goes on after 0.1 s"),
    (ScriptedSource([FRAME], hold_open=True), None, AssertionError, "what it gives goes on after 0.1 s"),
    (Unplugged([]), None, AssertionError, "the cable is out"),
    (Uncommitted([FRAME, END]), None, NotImplementedError, "no commit"),
    (Stateless([FRAME, END]), None, OSError, "no broker"),
]


@pytest.mark.parametrize(("source", "close_after", "error", "message"), WRONG_SOURCES)
def test_sources_that_break_the_contract_are_named(
    source: AudioSource, close_after: int | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        check_source(GivenSource(part=source), close_after=close_after, timeout_s=0.1)


WINDOW = noise_window(16_000, 16_000, seed=1)


class ScriptedWindows(WindowSource):
    """Gives `items`, then waits for `close` if it is told to."""

    def __init__(self, items: Sequence[WindowItem], *, hold_open: bool = False) -> None:
        self._items = items
        self._closed = threading.Event()
        self._hold_open = hold_open

    def windows(self) -> Iterator[WindowItem]:
        yield from self._items
        if self._hold_open:
            self._closed.wait()

    def close(self) -> None:
        self._closed.set()


def test_window_sources_that_keep_the_contract_pass() -> None:
    items = [WINDOW, Quiet(span_of(WINDOW)), GAP, BAD, END]
    assert check_window_source(GivenWindowSource(part=ScriptedWindows(items))) == items
    held = ScriptedWindows(items, hold_open=True)
    assert check_window_source(GivenWindowSource(part=held), close_after=5) == items


def test_a_window_source_that_never_ends_is_named() -> None:
    with pytest.raises(AssertionError, match=r"what it gives goes on after 0\.1 s"):
        check_window_source(GivenWindowSource(part=ScriptedWindows([WINDOW], hold_open=True)), timeout_s=0.1)


def test_a_source_of_the_other_kind_is_named() -> None:
    with pytest.raises(AssertionError, match=r"build\(\) gave a ScriptedWindows, expected an AudioSource"):
        check_source(GivenSource(part=ScriptedWindows([])))
    with pytest.raises(AssertionError, match=r"build\(\) gave a ScriptedSource, expected a WindowSource"):
        check_window_source(GivenWindowSource(part=ScriptedSource([])))


class Named(SourceConfig):
    """Notes what it is built with."""

    type: Literal["named"] = "named"
    seen: Any  # contexts

    def build(self, context: Context) -> Source:
        self.seen.append(context)
        return ScriptedSource([FRAME, END])


def test_a_part_is_checked_within_the_context_that_a_test_gives() -> None:
    within, seen = context("yard"), list[Context]()
    config = Named(seen=seen)
    check_source(config, within=within)
    check_source(config)
    assert seen[0] is within
    assert seen[1].name == "test"


def test_sinks_that_keep_the_contract_pass() -> None:
    sink = ListSink()
    check_sink(GivenSink(part=sink))
    assert {type(event) for event in sink.events} == set(EVENTS)
    assert sink.durable == len(sink.events)


class OnlyTexts(ListSink):
    def write(self, items: Sequence[Event]) -> None:
        super().write([event for event in items if event.text])  # type: ignore[union-attr]


class Picky(ListSink):
    def write(self, items: Sequence[Event]) -> None:
        _ = items[0]


class Meddling(ListSink):
    def write(self, items: Sequence[Event]) -> None:
        for event in items:
            object.__setattr__(event, "stream_id", "changed")


class OnceOnly(ListSink):
    def close(self) -> None:
        del self.events


class Hanging(ListSink):
    def flush(self, deadline: Deadline) -> None:
        threading.Event().wait()


WRONG_SINKS = [
    (OnlyTexts(), r"write\(\) of a GapEvent raised AttributeError"),
    (Picky(), r"write\(\) of nothing raised IndexError"),
    (Meddling(), r"write\(\) changed"),
    (OnceOnly(), r"second close\(\) raised AttributeError"),
    (Hanging(), r"flush\(\) of nothing goes on after 0.1 s"),
    (ListSink([SinkError("no route")]), "no route"),
]


@pytest.mark.parametrize(("sink", "message"), WRONG_SINKS, ids=lambda value: type(value).__name__)
def test_sinks_that_break_the_contract_are_named(sink: EventSink, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_sink(GivenSink(part=sink), timeout_s=0.1)


class Windows(WindowSink):
    """Keeps what it takes, but for what it `refuses`."""

    def __init__(self, refuses: type[object] | tuple[()] = ()) -> None:
        self.items: list[WindowItem] = []
        self.durable = 0
        self._refuses = refuses

    def write(self, items: Sequence[WindowItem]) -> None:
        for item in items:
            if isinstance(item, self._refuses):
                raise TypeError(f"a {type(item).__name__} is no window")
        self.items.extend(items)

    def flush(self, deadline: Deadline) -> None:
        self.durable = len(self.items)


def test_window_sinks_that_keep_the_contract_pass() -> None:
    sink = Windows()
    check_window_sink(GivenWindowSink(part=sink))
    assert {type(item) for item in sink.items} == set(get_args(WindowItem))
    assert sink.durable == len(sink.items)


@pytest.mark.parametrize("refused", get_args(WindowItem), ids=lambda kind: kind.__name__)
def test_a_window_sink_that_refuses_what_lies_between_windows_is_named(refused: type[object]) -> None:
    with pytest.raises(AssertionError, match=rf"write\(\) of a {refused.__name__} raised TypeError"):
        check_window_sink(GivenWindowSink(part=Windows(refused)))


class Letters(DeadLetterSink):
    """Keeps records, but for those without bytes if it `wants_bytes`."""

    def __init__(self, *, wants_bytes: bool = False) -> None:
        self.records: list[BadRecord] = []
        self.durable = 0
        self._wants_bytes = wants_bytes

    def write(self, items: Sequence[BadRecord]) -> None:
        if self._wants_bytes:
            assert all(record.value for record in items), "no bytes"
        self.records.extend(items)

    def flush(self, deadline: Deadline) -> None:
        self.durable = len(self.records)


class GivenLetters(DeadLettersConfig):
    """Of `part`."""

    type: Literal["given"] = "given"
    part: Any

    def build(self, context: Context) -> DeadLetterSink:
        letters: DeadLetterSink = self.part
        return letters


def test_dead_letters_that_keep_the_contract_pass() -> None:
    letters = Letters()
    check_dead_letters(GivenLetters(part=letters))
    assert {record.value is None for record in letters.records} == {True, False}
    assert letters.durable == len(letters.records)


def test_dead_letters_that_break_the_contract_are_named() -> None:
    with pytest.raises(AssertionError, match=r"write\(\) of a BadRecord raised AssertionError\('no bytes"):
        check_dead_letters(GivenLetters(part=Letters(wants_bytes=True)))


class LoudnessModel(AudioLanguageModel):
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

    def _say(self, level: float, request: Request) -> Generation:
        labels = request.prompt.labels
        scores = {label: 0.6 if n == 0 else 0.4 / (len(labels) - 1) for n, label in enumerate(labels)} or None
        return Generation(request, labels[0] if labels else f"level {level:.2f}", 0.5, scores)


def each(**changes: object) -> Callable[[list[Generation]], list[Generation]]:
    return lambda said: [replace(generation, **changes) for generation in said]  # type: ignore[arg-type]


def with_scores(change: Callable[[dict[str, float]], dict[str, float]]) -> Callable[..., list[Generation]]:
    return lambda said: [replace(g, scores=change(dict(g.scores)) if g.scores else None) for g in said]


def test_models_that_keep_the_contract_pass() -> None:
    check_model(GivenModel(part=LoudnessModel()))


class Promising(GivenModel):
    """Tells of its windows before it is built."""

    grid: Any

    def windows(self) -> WindowGrid:
        grid: WindowGrid = self.grid
        return grid


def test_a_model_with_the_windows_that_its_config_tells_passes_and_another_is_named() -> None:
    check_model(Promising(part=LoudnessModel(), grid=WindowGrid(16_000, 1_600, 160)))
    with pytest.raises(AssertionError, match=r"windows\(\) tells .*window_samples=800.*, the model has .*=1600"):
        check_model(Promising(part=LoudnessModel(), grid=WindowGrid(16_000, 800, 160)))


class Choosy(LoudnessModel):
    def check_prompts(self, prompts: Sequence[Prompt]) -> None:
        raise NotImplementedError("no prompts")


def test_a_model_that_refuses_the_prompt_of_a_caption_is_no_model() -> None:
    with pytest.raises(NotImplementedError, match="no prompts"):
        check_model(GivenModel(part=Choosy()))


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
    (without("concurrency", 0), "concurrency is 0"),
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
        check_model(GivenModel(part=model))

"""exactly_once in memory: what a transaction holds, and what happens when it fails."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np
import pytest

from pengi_stream.clock import Deadline
from pengi_stream.engine.segment import WindowSpec
from pengi_stream.errors import ConfigError, SinkError, StaleError
from pengi_stream.events import Event, TextEvent
from pengi_stream.models.fake import FakeModelConfig
from pengi_stream.options import Prompt
from pengi_stream.positions import ReadPosition
from pengi_stream.protocols import DeadLetterSink, EventSink, Transaction
from pengi_stream.runtime.assembly import Assembly, AudioFeed
from pengi_stream.runtime.pipeline import Pipeline
from pengi_stream.runtime.sink_writers import NamedSink
from pengi_stream.testing import ScriptedSource, context
from pengi_stream.types import BadRecord, CommitPosition, Frame, Revoked, SourceItem, Stream, StreamEnd, TimeMap

RATE = 16_000
STEP = RATE // 10
PROMPTS = (Prompt("caption", "generate audio caption"), Prompt("tags", "generate metadata"))
A, B = Stream("a"), Stream("b")
LEFT, RIGHT = "audio/0", "audio/1"


class Ledger(Transaction):
    """Keeps what was committed; its first commits raise `failures`, one each. `leaves_out` says which lane is not ours
    at the n-th beginning."""

    def __init__(
        self, failures: Sequence[SinkError] = (), leaves_out: Callable[[int], str | None] = lambda _: None
    ) -> None:
        self._failures = list(failures)
        self._leaves_out = leaves_out
        self._ours: Sequence[CommitPosition] = ()
        self.begun = 0
        self.written: list[Event] = []
        self.letters: list[BadRecord] = []
        self.commits: list[tuple[Sequence[CommitPosition], list[Event], list[BadRecord]]] = []

    @property
    def events(self) -> list[Event]:
        return [event for _, events, _ in self.commits for event in events]

    def begin(self, positions: Sequence[CommitPosition]) -> Collection[str]:
        self.begun += 1
        out = self._leaves_out(self.begun)
        self._ours = [position for position in positions if position.lane != out]
        return {position.lane for position in self._ours}

    def commit(self) -> None:
        if self._failures:
            failure = self._failures.pop(0)
            if failure.retry_after_s is None:
                self._forget()
            raise failure
        self.commits.append((self._ours, list(self.written), list(self.letters)))
        self._forget()

    def _forget(self) -> None:
        self.written.clear()
        self.letters.clear()


class Sink(EventSink):
    """Writes to the transaction."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def write(self, items: Sequence[Event]) -> None:
        self._ledger.written.extend(items)

    def flush(self, deadline: Deadline) -> None:
        assert not self._ledger.written, "a flush would show events without their place"


class Letters(DeadLetterSink):
    """Dead letters that go where the events go."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def write(self, items: Sequence[BadRecord]) -> None:
        self._ledger.letters.extend(items)

    def flush(self, deadline: Deadline) -> None:
        """The commit does it."""


def tone(stream: Stream, lane: str, seconds: float, offset: int = 0) -> list[SourceItem]:
    """A tone in records of 0.1 s, and the end of its stream."""
    n = round(seconds * RATE)
    samples = (0.3 * np.sin(2 * np.pi * 440 * np.arange(n) / RATE)).astype(np.float32)[:, None]
    time = TimeMap(0, 0, RATE)
    frames = [
        Frame(stream, i, samples[i : i + STEP], RATE, time, ReadPosition(lane, offset + i // STEP, 1))
        for i in range(0, n, STEP)
    ]
    return [*frames, StreamEnd(stream, ReadPosition(lane, offset + n // STEP, 1))]


def pipeline(items: Sequence[SourceItem], ledger: Ledger, **options: object) -> Pipeline:
    parts = Assembly(
        name="test",
        model=FakeModelConfig(type="fake", window_s=1.0).build(context()),
        windows=WindowSpec(RATE, RATE, RATE // 2, "repeat"),
        min_dbfs=-60,
        prompts=PROMPTS,
        feeds=[AudioFeed("source", ScriptedSource(items), told=False)],
        sinks=[NamedSink("sink", Sink(ledger), required=True)],
        dead_letters=Letters(ledger),
        transaction=ledger,
        max_wait_s=0.01,
    )
    return Pipeline(replace(parts, **options))  # type: ignore[arg-type]


def once_each(sink: Ledger, per_stream: dict[str, int]) -> bool:
    """Whether each stream has so many texts, with different ids."""
    assert len({event.id for event in sink.events}) == len(sink.events)
    found = [event.stream_id for event in sink.events if isinstance(event, TextEvent)]
    return {stream: found.count(stream) for stream in found} == per_stream


def assert_each_place_tells_what_is_durable(sink: Ledger) -> None:
    """A replay from any of the places leaves out exactly the texts that were committed up to it."""
    durable: list[Event] = []
    for positions, events, _ in sink.commits:
        durable += events
        for position in positions:
            for state in position.states:
                texts = [
                    event
                    for event in sink.events
                    if isinstance(event, TextEvent) and event.stream_id == state.stream.id
                ]
                done = {event.id for event in texts if event.first_sample < state.next_sample}
                assert done == {event.id for event in texts} & {event.id for event in durable}


def test_each_transaction_holds_the_events_that_its_place_calls_done() -> None:
    sink = Ledger()
    items = [item for pair in zip(tone(A, LEFT, 4.0), tone(B, RIGHT, 4.0), strict=True) for item in pair]
    assert pipeline(items, sink, max_batch_size=3).run().ok
    assert once_each(sink, {"a": 14, "b": 14})
    assert_each_place_tells_what_is_durable(sink)
    assert {position.lane: position.offset for position in sink.commits[-1][0]} == {LEFT: 41, RIGHT: 41}


def test_a_commit_that_may_succeed_later_is_tried_again_with_the_same_events() -> None:
    sink = Ledger([SinkError("the broker is away", retry_after_s=0.01)] * 3)
    assert pipeline(tone(A, LEFT, 4.0), sink).run().ok
    assert once_each(sink, {"a": 14})


def test_what_another_worker_would_have_undone_is_committed_once_it_turns_out_to_be_ours() -> None:
    sink = Ledger([StaleError("the group is rebalancing")] * 2)
    assert pipeline(tone(A, LEFT, 4.0), sink).run().ok
    assert once_each(sink, {"a": 14})
    assert_each_place_tells_what_is_durable(sink)


def test_events_of_a_partition_that_is_not_ours_are_in_no_transaction() -> None:
    sink = Ledger(leaves_out=lambda _: LEFT)
    items = [*tone(A, LEFT, 4.0), *tone(B, RIGHT, 4.0)]
    run = pipeline(items, sink)
    assert run.run().ok
    assert once_each(sink, {"b": 14})


def test_events_wait_while_their_partition_is_left_out() -> None:
    sink = Ledger(leaves_out=lambda n: LEFT if n < 3 else None)
    assert pipeline([*tone(A, LEFT, 4.0), *tone(B, RIGHT, 4.0)], sink, max_batch_size=2).run().ok
    assert sink.begun >= 3
    assert once_each(sink, {"a": 14, "b": 14})
    assert_each_place_tells_what_is_durable(sink)


def test_events_of_a_partition_that_was_revoked_are_dropped() -> None:
    """Another worker makes them again."""
    sink = Ledger(leaves_out=lambda _: LEFT)
    begun = tone(A, LEFT, 4.0)[:-1]
    revoked = Revoked(A, ReadPosition(LEFT, 0, 1))
    run = pipeline([*begun, revoked, *tone(B, RIGHT, 4.0)], sink)
    assert run.run().ok
    assert once_each(sink, {"b": 14})


def test_a_dead_letter_is_in_the_transaction_of_its_place() -> None:
    sink = Ledger()
    bad = BadRecord(A, "is no audio", value=b"poison", position=ReadPosition(LEFT, 40, 1))
    items = [*tone(A, LEFT, 4.0)[:-1], bad, StreamEnd(A, ReadPosition(LEFT, 41, 1))]
    assert pipeline(items, sink).run().ok
    [(positions, events, letters)] = [commit for commit in sink.commits if commit[2]]
    assert letters == [bad]
    assert [event.type for event in events].count("pengi_stream.source") == 1
    assert all(position.offset > 40 or position.states for position in positions)


def test_a_commit_that_nobody_will_take_ends_the_run_with_its_reason() -> None:
    outcome = pipeline(tone(A, LEFT, 4.0), Ledger([SinkError("a record is too large")])).run()
    assert outcome.errors == ("a record is too large",)


def test_quiet_audio_moves_the_place_on_as_well() -> None:
    sink = Ledger()
    quiet = [
        replace(item, samples=np.zeros_like(item.samples)) if isinstance(item, Frame) else item
        for item in tone(A, LEFT, 4.0)
    ]
    assert pipeline(quiet, sink).run().ok
    assert [event.type for event in sink.events] == ["pengi_stream.coverage"]
    assert [position.offset for position in sink.commits[-1][0]] == [41]


def test_a_transaction_has_one_source_and_one_required_sink() -> None:
    ledger = Ledger()
    sinks = [NamedSink(f"sink-{number}", Sink(ledger), required=True) for number in range(2)]
    with pytest.raises(ConfigError, match="one required sink"):
        pipeline([], ledger, sinks=sinks)

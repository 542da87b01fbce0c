"""exactly_once in memory: what a transaction holds, and what happens when it fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from pengi_stream.clock import Deadline
from pengi_stream.engine.segment import WindowSpec
from pengi_stream.errors import ConfigError, SinkError, StaleError
from pengi_stream.models.fake import FakeModelConfig
from pengi_stream.options import Prompt
from pengi_stream.protocols import DeadLetterSink, EventSink, Progress, SourcePlace, TransactionalSink
from pengi_stream.runtime.outlets import NamedSink
from pengi_stream.runtime.pipeline import LiveSource, Parts, Pipeline
from pengi_stream.testing import ListSink, ScriptedSource
from pengi_stream.types import BadRecord, Event, Frame, Position, Revoked, SourceItem, Stream, StreamEnd, TimeMap

RATE = 16_000
STEP = RATE // 10
PROMPTS = (Prompt("caption", "generate audio caption"), Prompt("tags", "generate metadata"))
A, B = Stream("a"), Stream("b")
LEFT, RIGHT = "audio/0", "audio/1"


@dataclass(frozen=True)
class Place:
    """What a transaction holds of a source that has `positions`."""

    positions: Sequence[Position]

    @property
    def partitions(self) -> frozenset[str]:
        return frozenset(position.partition for position in self.positions)


class Source(ScriptedSource):
    """A source in one transaction with a sink; `leaves_out` says which partitions are not its own at the n-th place."""

    def __init__(self, items: Sequence[SourceItem], leaves_out: Callable[[int], str | None] = lambda _: None) -> None:
        super().__init__(items)
        self._leaves_out = leaves_out
        self.places = 0

    def follow(self, progress: Progress) -> None:
        """The outlet asks."""

    def leave_commits(self) -> None:
        """It never commits."""

    def place(self, positions: Sequence[Position]) -> SourcePlace | None:
        self.places += 1
        out = self._leaves_out(self.places)
        ours = [position for position in positions if position.partition != out]
        return Place(ours) if ours else None

    def finish(self, deadline: Deadline) -> None:
        """Nothing to let go of."""


class Sink:
    """Keeps what was committed; its first commits raise `failures`, one each."""

    def __init__(self, failures: Sequence[SinkError] = ()) -> None:
        self._failures = list(failures)
        self._written: list[Event] = []
        self.letters: list[BadRecord] = []
        self.commits: list[tuple[Place, list[Event], list[BadRecord]]] = []

    @property
    def events(self) -> list[Event]:
        return [event for _, events, _ in self.commits for event in events]

    def write(self, events: Sequence[Event]) -> None:
        self._written.extend(events)

    def flush(self, deadline: Deadline) -> None:
        assert not self._written, "a flush would show events without their place"

    def commit(self, place: SourcePlace) -> None:
        assert isinstance(place, Place)
        if self._failures:
            failure = self._failures.pop(0)
            if failure.retry_after_s is None:
                self._written.clear()
                self.letters.clear()
            raise failure
        self.commits.append((place, list(self._written), list(self.letters)))
        self._written.clear()
        self.letters.clear()

    def close(self) -> None:
        """Nothing to release."""


class Letters:
    """Dead letters that go where the events go."""

    def __init__(self) -> None:
        self._sink: Sink | None = None

    def join(self, sink: TransactionalSink) -> None:
        assert isinstance(sink, Sink)
        self._sink = sink

    def write(self, record: BadRecord) -> None:
        assert self._sink is not None
        self._sink.letters.append(record)

    def flush(self, deadline: Deadline) -> None:
        """The sink's commit does it."""

    def close(self) -> None:
        """Nothing to release."""


def tone(stream: Stream, partition: str, seconds: float, offset: int = 0) -> list[SourceItem]:
    """A tone in records of 0.1 s, and the end of its stream."""
    n = round(seconds * RATE)
    samples = (0.3 * np.sin(2 * np.pi * 440 * np.arange(n) / RATE)).astype(np.float32)[:, None]
    frames = [
        Frame(stream, i, samples[i : i + STEP], RATE, TimeMap(0, 0, RATE), Position(partition, offset + i // STEP, 1))
        for i in range(0, n, STEP)
    ]
    return [*frames, StreamEnd(stream, Position(partition, offset + n // STEP, 1))]


def pipeline(
    source: ScriptedSource, sinks: Sequence[EventSink], letters: DeadLetterSink | None = None, **options: object
) -> Pipeline:
    parts = Parts(
        name="test",
        model=FakeModelConfig(type="fake", window_s=1.0).build(),
        windows=WindowSpec(RATE, RATE, RATE // 2, "repeat"),
        min_dbfs=-60,
        prompts=PROMPTS,
        sources=[LiveSource(source, live=False)],
        sinks=[NamedSink(f"sink-{number}", sink, required=True) for number, sink in enumerate(sinks)],
        dead_letters=letters,
        max_wait_s=0.01,
        exactly_once=True,
    )
    return Pipeline(replace(parts, **options))  # type: ignore[arg-type]


def once_each(sink: Sink, per_stream: dict[str, int]) -> bool:
    """Whether each stream has so many texts, with different ids."""
    assert len({event.id for event in sink.events}) == len(sink.events)
    found = [event.stream_id for event in sink.events if event.type == "pengi_stream.text"]
    return {stream: found.count(stream) for stream in found} == per_stream


def assert_each_place_tells_what_is_durable(sink: Sink) -> None:
    """A replay from any of the places leaves out exactly the texts that were committed up to it."""
    durable: list[Event] = []
    for place, events, _ in sink.commits:
        durable += events
        for position in place.positions:
            for state in position.states:
                texts = [event for event in sink.events if event.stream_id == state.stream.id and "text" in event.data]
                done = {event.id for event in texts if int(str(event.data["first_sample"])) < state.next_sample}
                assert done == {event.id for event in texts} & {event.id for event in durable}


def test_each_transaction_holds_the_events_that_its_place_calls_done() -> None:
    sink = Sink()
    items = [item for pair in zip(tone(A, LEFT, 4.0), tone(B, RIGHT, 4.0), strict=True) for item in pair]
    assert pipeline(Source(items), [sink], max_batch_size=3).run().ok
    assert once_each(sink, {"a": 14, "b": 14})
    assert_each_place_tells_what_is_durable(sink)
    assert {position.partition: position.offset for position in sink.commits[-1][0].positions} == {LEFT: 41, RIGHT: 41}


def test_a_commit_that_may_succeed_later_is_tried_again_with_the_same_events() -> None:
    sink = Sink([SinkError("the broker is away", retry_after_s=0.01)] * 3)
    assert pipeline(Source(tone(A, LEFT, 4.0)), [sink]).run().ok
    assert once_each(sink, {"a": 14})


def test_what_another_worker_would_have_undone_is_committed_once_it_turns_out_to_be_ours() -> None:
    sink = Sink([StaleError("the group is rebalancing")] * 2)
    assert pipeline(Source(tone(A, LEFT, 4.0)), [sink]).run().ok
    assert once_each(sink, {"a": 14})
    assert_each_place_tells_what_is_durable(sink)


def test_events_of_a_partition_that_is_not_ours_are_in_no_transaction() -> None:
    sink = Sink()
    items = [*tone(A, LEFT, 4.0), *tone(B, RIGHT, 4.0)]
    run = pipeline(Source(items, leaves_out=lambda _: LEFT), [sink])
    assert run.run().ok
    assert once_each(sink, {"b": 14})


def test_events_wait_while_their_partition_is_left_out() -> None:
    sink = Sink()
    source = Source([*tone(A, LEFT, 4.0), *tone(B, RIGHT, 4.0)], leaves_out=lambda n: LEFT if n < 3 else None)
    assert pipeline(source, [sink], max_batch_size=2).run().ok
    assert source.places >= 3
    assert once_each(sink, {"a": 14, "b": 14})
    assert_each_place_tells_what_is_durable(sink)


def test_events_of_a_partition_that_was_revoked_are_dropped() -> None:
    """Another worker makes them again."""
    sink = Sink()
    begun = tone(A, LEFT, 4.0)[:-1]
    revoked = Revoked(A, Position(LEFT, 0, 1))
    run = pipeline(Source([*begun, revoked, *tone(B, RIGHT, 4.0)], leaves_out=lambda _: LEFT), [sink])
    assert run.run().ok
    assert once_each(sink, {"b": 14})


def test_a_dead_letter_is_in_the_transaction_of_its_place() -> None:
    sink = Sink()
    bad = BadRecord(A, "is no audio", value=b"poison", position=Position(LEFT, 40, 1))
    items = [*tone(A, LEFT, 4.0)[:-1], bad, StreamEnd(A, Position(LEFT, 41, 1))]
    assert pipeline(Source(items), [sink], Letters()).run().ok
    [(place, events, letters)] = [commit for commit in sink.commits if commit[2]]
    assert letters == [bad]
    assert [event.type for event in events].count("pengi_stream.source") == 1
    assert all(position.offset > 40 or position.states for position in place.positions)


def test_a_commit_that_nobody_will_take_ends_the_run_with_its_reason() -> None:
    outcome = pipeline(Source(tone(A, LEFT, 4.0)), [Sink([SinkError("a record is too large")])]).run()
    assert outcome.errors == ("a record is too large",)


def test_quiet_audio_moves_the_place_on_as_well() -> None:
    sink = Sink()
    quiet = [
        replace(item, samples=np.zeros_like(item.samples)) if isinstance(item, Frame) else item
        for item in tone(A, LEFT, 4.0)
    ]
    assert pipeline(Source(quiet), [sink]).run().ok
    assert sink.events == []
    assert [position.offset for position in sink.commits[-1][0].positions] == [41]


@pytest.mark.parametrize(
    ("source", "sinks", "letters", "said"),
    [
        (ScriptedSource([]), [Sink()], None, "one source, of Kafka"),
        (Source([]), [ListSink()], None, "one required sink, of Kafka"),
        (Source([]), [Sink(), Sink()], None, "one required sink"),
        (Source([]), [Sink()], ListSink(), "dead letters of Kafka"),
    ],
)
def test_ends_that_cannot_share_transactions_are_refused(
    source: ScriptedSource, sinks: Sequence[EventSink], letters: DeadLetterSink | None, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        pipeline(source, sinks, letters)

"""What the stages remember of a stream goes where the stream goes."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from pengi_stream.engine.coverage import Coverage
from pengi_stream.engine.stages import PureStage, Stages, Step
from pengi_stream.events import Event, SourceEvent
from pengi_stream.outcomes import Outcome, Quiet, Span, StatusChange
from pengi_stream.positions import ReadPosition
from pengi_stream.status import Status
from pengi_stream.types import NS_PER_S, Plain, Resumed, Revoked, Stream, StreamEnd, StreamState

DOOR, YARD = Stream("door"), Stream("yard")
PLACE = ReadPosition("audio/0", 7)
ELSEWHERE = ReadPosition("audio/1", 7)


def quiet(stream: Stream = DOOR, position: ReadPosition | None = PLACE, second: int = 0) -> Quiet:
    times = (second * NS_PER_S, (second + 1) * NS_PER_S)
    return Quiet(Span(stream, 0, second * 8_000, (second + 1) * 8_000, 8_000, *times, position))


def resumed(*behind: tuple[str, Plain], stream: Stream = DOOR, position: ReadPosition = PLACE) -> Resumed:
    return Resumed(stream, StreamState(stream, 0, 0, behind), position)


class Counter(PureStage):
    """Numbers a stream's items; its state changes with each `every`th."""

    def __init__(self, key: str, every: int = 1) -> None:
        self.key = key
        self._every = every

    def take(self, item: Outcome, state: Plain, now_ns: int) -> Step:
        count = state if isinstance(state, int) else 0
        if isinstance(item, StatusChange):
            return Step(state)
        return Step(count + (item.first_sample // 8_000 % self._every == 0), (_event(f"{self.key} {count}", now_ns),))


class Forgetful(PureStage):
    """Forgets all when a stream ends, as coverage does."""

    key = "forgetful"

    def take(self, item: Outcome, state: Plain, now_ns: int) -> Step:
        return Step(None if isinstance(item, StreamEnd) else "something")


def _event(reason: str, now_ns: int) -> Event:
    return SourceEvent(id="1", pipeline="p", stream_id="door", start_ns=now_ns, reason=reason)


def reasons(events: Sequence[Event]) -> list[str]:
    return [event.reason for event in events if isinstance(event, SourceEvent)]


class Ending(Counter):
    """Numbers the end too."""

    def take(self, item: Outcome, state: Plain, now_ns: int) -> Step:
        if isinstance(item, StreamEnd):
            return Step(state, (_event(f"{self.key} ends at {state}", now_ns),))
        return super().take(item, state, now_ns)


def test_events_of_all_stages_come_in_their_order_with_the_time_that_is_given() -> None:
    taken = Stages([Counter("a"), Counter("b")]).take(quiet(), 5)
    assert reasons(taken.events) == ["a 0", "b 0"]
    assert {event.start_ns for event in taken.events} == {5}


def test_only_states_that_changed_are_reported() -> None:
    stages = Stages([Counter("a"), Counter("b", every=2)])
    found = [stages.take(quiet(second=second), 0).states for second in range(3)]
    assert found == [(("a", 1), ("b", 1)), (("a", 2),), (("a", 3), ("b", 2))]


def test_streams_know_nothing_of_one_another() -> None:
    stages = Stages([Counter("a")])
    stages.take(quiet(), 0)
    assert stages.take(quiet(YARD), 0).states == (("a", 1),)
    assert stages.take(quiet(position=ELSEWHERE), 0).states == (("a", 1),)  # the same key in another partition
    assert stages.take(quiet(), 0).states == (("a", 2),)


def test_a_stream_that_is_handed_over_goes_on_with_its_states() -> None:
    stages = Stages([Counter("a"), Counter("b")])
    taken = stages.take(resumed(("a", 41)), 0)
    assert (taken.events, taken.states) == ((), ())
    taken = stages.take(quiet(), 0)
    assert reasons(taken.events) == ["a 41", "b 0"]
    assert taken.states == (("a", 42), ("b", 1))


def test_what_is_handed_over_takes_the_place_of_what_was_known() -> None:
    stages = Stages([Counter("a")])
    stages.take(quiet(), 0)
    stages.take(resumed(), 0)
    assert stages.take(quiet(), 0).states == (("a", 1),)


def test_a_stream_that_another_worker_has_is_forgotten() -> None:
    stages = Stages([Counter("a")])
    stages.take(quiet(), 0)
    taken = stages.take(Revoked(DOOR, PLACE), 0)
    assert (taken.events, taken.states) == ((), ())
    assert stages.take(quiet(), 0).states == (("a", 1),)
    stages.take(Revoked(YARD, PLACE), 0)  # nothing is known of it


def test_a_stream_that_ends_is_forgotten_and_says_so_of_every_state() -> None:
    stages = Stages([Ending("a"), Ending("b")])
    stages.take(quiet(), 0)
    taken = stages.take(StreamEnd(DOOR, PLACE), 0)
    assert reasons(taken.events) == ["a ends at 1", "b ends at 1"]
    assert sorted(taken.states) == [("a", None), ("b", None)]
    assert stages.take(quiet(), 0).states == (("a", 1), ("b", 1))


def test_a_state_that_a_stage_lets_go_at_the_end_is_reported_too() -> None:
    stages = Stages([Forgetful(), Coverage("p")])
    stages.take(quiet(), 0)
    assert sorted(stages.take(StreamEnd(DOOR, PLACE), 0).states) == [("coverage", None), ("forgetful", None)]


def test_a_state_of_another_rule_goes_when_its_stream_ends() -> None:
    stages = Stages([Ending("a")])
    stages.take(resumed(("an older rule", "x")), 0)
    assert stages.take(StreamEnd(DOOR, PLACE), 0).states == (("an older rule", None),)


def test_the_end_of_a_stream_of_which_nothing_is_known_reports_nothing() -> None:
    assert Stages([Ending("a")]).take(StreamEnd(DOOR, PLACE), 0).states == ()


def test_nothing_is_kept_for_a_stream_of_which_nothing_is_remembered() -> None:
    stages = Stages([Coverage("p")])
    for number in range(100):
        stages.take(StatusChange(Stream(str(number)), "yard", Status("stalled"), 0), 0)
    assert len(stages._states) == 0
    stages.take(quiet(), 0)
    assert len(stages._states) == 1
    stages.take(StreamEnd(DOOR, PLACE), 0)
    assert len(stages._states) == 0


@given(st.lists(st.sampled_from([DOOR, YARD])), st.data())
def test_the_states_that_were_reported_are_all_that_a_successor_needs(
    streams: list[Stream], data: st.DataObject
) -> None:
    items = [quiet(stream, second=second) for second, stream in enumerate(streams)]
    cut = data.draw(st.integers(0, len(items)))
    first, second = Stages([Counter("a"), Counter("b", 3)]), Stages([Counter("a"), Counter("b", 3)])
    known: dict[Stream, dict[str, Plain]] = {DOOR: {}, YARD: {}}
    for item in items[:cut]:
        known[item.stream] |= dict(first.take(item, 0).states)
    for stream, states in known.items():
        second.take(resumed(*states.items(), stream=stream), 0)
    assert [second.take(item, 0) for item in items[cut:]] == [first.take(item, 0) for item in items[cut:]]

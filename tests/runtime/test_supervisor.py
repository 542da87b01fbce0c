"""A source that fails is a state that shows, and disturbs no other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parts import HOP, RATE, WINDOW, Running, frame, frames, pipeline

from pengi_stream.engine.backoff import FIRST_S, JITTER, MOST_S, STEADY_BYTES, STEADY_S, Backoff
from pengi_stream.errors import SourceError
from pengi_stream.events import Event, StatusEvent, TextEvent
from pengi_stream.outcomes import StatusChange
from pengi_stream.runtime.assembly import AudioFeed, Outcome
from pengi_stream.runtime.channel import Channel, Fifo
from pengi_stream.runtime.supervisor import Supervisor
from pengi_stream.runtime.tap import Tap
from pengi_stream.status import Status
from pengi_stream.testing import FakeClock, ListSink, ScriptedSource
from pengi_stream.types import SourceItem, Stream, StreamEnd

DOOR, YARD = Stream("door", "now", live=True), Stream("yard")
AWAY = SourceError("camera: connection refused", retry_after_s=3600)
"""Nobody waits for it: what is told meanwhile is asked while it waits"""


class Impatient(Backoff):
    """Does not wait."""

    def failed(self, retry_after_s: float, chance: float) -> float:
        super().failed(retry_after_s, chance)
        return 0.0


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pengi_stream.runtime.supervisor.Backoff", Impatient)


class Supervised:
    """One source, what it gave and what was told of it."""

    def __init__(self, items: Sequence[SourceItem | SourceError], *, hold_open: bool = False) -> None:
        self.source = ScriptedSource(items, hold_open=hold_open)
        self.items: Channel[object, object] = Channel(Fifo(1000))
        self.told: list[tuple[str, Status]] = []
        self.statuses: list[Status] = []
        self.stalled = threading.Event()
        self.supervisor = Supervisor(
            "camera", self.source, self.source.frames, tap=Tap(), tell=self._tell, clock=FakeClock()
        )

    def _tell(self, change: StatusChange) -> None:
        self.told.append((change.stream.id, change.status))
        self.statuses.append(self.supervisor.status("running"))
        if change.status.state == "stalled":
            self.stalled.set()

    def work(self) -> None:
        self.supervisor.work(self.items)  # type: ignore[arg-type]


@pytest.mark.usefixtures("no_waiting")
def test_each_stream_hears_once_that_its_source_stalls_and_once_that_it_gives_again() -> None:
    again = SourceError("camera: no route", retry_after_s=0)
    run = Supervised([frame(DOOR), frame(YARD), AWAY, again, frame(DOOR, HOP), frame(YARD, HOP), StreamEnd(YARD)])
    run.work()
    stalled, running = Status("stalled", str(AWAY)), Status("running")
    assert run.told == [("door", stalled), ("yard", stalled), ("door", running), ("yard", running)]
    assert len(run.items) == 5


def test_whoever_hears_of_a_state_finds_it_in_the_health_already() -> None:
    run = Supervised([frame(DOOR), AWAY])
    working = Running(run.work)
    assert run.stalled.wait(30)
    run.supervisor.close()
    working.result()
    assert run.statuses == [Status("stalled", str(AWAY))]


@pytest.mark.usefixtures("no_waiting")
def test_a_source_that_never_gave_anything_is_told_under_its_own_name() -> None:
    run = Supervised([AWAY, frame(DOOR)])
    run.work()
    assert run.told[0] == ("camera", Status("stalled", str(AWAY)))


@pytest.mark.usefixtures("no_waiting")
def test_a_stream_that_has_ended_is_not_told_that_its_source_stalls() -> None:
    run = Supervised([frame(DOOR), frame(YARD), StreamEnd(YARD), AWAY])
    run.work()
    assert {stream for stream, _ in run.told} == {"door"}


def test_an_error_that_will_not_get_better_is_told_and_ends_the_reading() -> None:
    run = Supervised([frame(DOOR), SourceError("no such device"), frame(DOOR, HOP)])
    with pytest.raises(SourceError, match="no such device"):
        run.work()
    assert run.told == [("door", Status("stopped", "no such device"))]
    assert len(run.items) == 1


def test_a_stop_does_not_wait_for_a_source_that_is_away() -> None:
    run = Supervised([frame(DOOR), AWAY, frame(DOOR, HOP)])
    working = Running(run.work)
    assert run.stalled.wait(30)
    run.supervisor.close()
    assert working.result() is None
    assert len(run.items) == 1


def test_the_state_of_a_source_is_its_own_where_it_is_read_and_stopped_behind_that() -> None:
    run = Supervised([])
    assert run.supervisor.status("waiting") == Status("inactive")
    assert run.supervisor.status("running") == run.source.status()
    assert run.supervisor.status("done") == Status("stopped")
    assert run.supervisor.status("failed") == Status("stopped")


class Watching(ListSink):
    """Says when a source is told to stall, and when something was heard."""

    def __init__(self) -> None:
        super().__init__()
        self.stalled = threading.Event()

    def write(self, items: Sequence[Event]) -> None:
        super().write(items)
        if any(event.state == "stalled" for event in self.of(StatusEvent)):
            self.stalled.set()


def test_a_stalled_source_shows_in_the_health_and_in_its_stream_until_the_run_is_stopped() -> None:
    sink = Watching()
    source = ScriptedSource([*frames(DOOR, WINDOW), AWAY])
    run = pipeline([AudioFeed("camera", source, live=True)], [sink])
    running = Running(run.run)
    assert sink.stalled.wait(30)
    assert run.health().sources == {"camera": Status("stalled", str(AWAY))}
    run.stop()
    assert running.result() == Outcome()
    [told] = sink.of(StatusEvent)
    assert (told.stream_id, told.source, told.state, told.reason) == ("door", "camera", "stalled", str(AWAY))
    assert run.health().sources["camera"].state == "stopped"


@pytest.mark.usefixtures("no_waiting")
def test_a_source_that_comes_back_goes_on_where_it_was() -> None:
    sink = Watching()
    pieces = frames(DOOR, 4 * WINDOW)
    source = ScriptedSource([*pieces[:3], AWAY, *pieces[3:], StreamEnd(DOOR)])
    assert pipeline([AudioFeed("camera", source)], [sink]).run() == Outcome()
    assert [event.state for event in sink.of(StatusEvent)] == ["stalled", "running"]
    assert [event.first_sample for event in sink.of(TextEvent)] == list(range(0, 3 * WINDOW + 1, HOP))


class Told(ListSink):
    """Says what was written to whoever waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self._written = threading.Condition()

    def write(self, items: Sequence[Event]) -> None:
        with self._written:
            super().write(items)
            self._written.notify_all()

    def wait_for(self, condition: Callable[[], bool]) -> bool:
        """Whether what was written came to fulfil `condition`."""
        with self._written:
            return self._written.wait_for(condition, 30)


class Late(ScriptedSource):
    """Begins when another source is gone, and then gives each piece when the one before was heard."""

    def __init__(self, items: Sequence[SourceItem], sink: Told, is_gone: Callable[[], bool]) -> None:
        super().__init__(items)
        self._sink = sink
        self._is_gone = is_gone

    def frames(self) -> Iterator[SourceItem]:
        while not self._is_gone():
            threading.Event().wait(0.001)
        for number, item in enumerate(super().frames()):
            assert self._sink.wait_for(lambda before=number - 1: len(self._heard()) >= before)
            yield item

    def _heard(self) -> Sequence[TextEvent]:
        return [event for event in self._sink.of(TextEvent) if event.stream_id == "yard"]


def test_a_source_that_is_gone_for_good_is_named_and_what_others_give_goes_on_to_its_end() -> None:
    sink = Told()
    gone = ScriptedSource([*frames(DOOR, WINDOW), SourceError("camera: no such device")])
    items = [*frames(YARD, 20 * WINDOW), StreamEnd(YARD)]
    other = Late(items, sink, lambda: run.health().stages["source-camera"] == "failed")
    run = pipeline([AudioFeed("camera", gone, live=True), AudioFeed("file", other)], [sink])
    assert run.run() == Outcome(errors=("camera: no such device",))
    heard = [event.first_sample for event in sink.of(TextEvent) if event.stream_id == "yard"]
    assert heard == list(range(0, 19 * WINDOW + 1, HOP))


WAITS = st.floats(0, 600)


@given(asked=st.lists(WAITS, min_size=1, max_size=12), chance=st.floats(0, 1))
def test_a_wait_is_never_longer_than_half_a_minute_and_doubles_up_to_it(asked: list[float], chance: float) -> None:
    backoff, before_s = Backoff(), 0.0
    for wanted_s in asked:
        wait_s = backoff.failed(wanted_s, chance) / (1 - JITTER + 2 * JITTER * chance)
        assert wait_s == pytest.approx(min(MOST_S, max(FIRST_S, wanted_s, 2 * before_s)))
        before_s = wait_s


@given(wanted_s=WAITS, chance=st.floats(0, 1))
def test_sources_that_fail_together_do_not_come_back_together_yet_nearly_when_asked(
    wanted_s: float, chance: float
) -> None:
    least, found, most = (Backoff().failed(wanted_s, at) for at in (0, chance, 1))
    assert least <= found <= most
    assert most - least == pytest.approx(2 * JITTER * min(MOST_S, max(FIRST_S, wanted_s)))


@given(
    gave=st.lists(st.tuples(st.integers(0, STEADY_BYTES), st.floats(0, STEADY_S)), max_size=6),
    since_s=st.floats(0, 1e6),
)
def test_a_feed_is_steady_again_after_time_and_sound_and_not_after_one_of_them(
    gave: list[tuple[int, float]], since_s: float
) -> None:
    backoff = Backoff()
    for _ in range(4):
        backoff.failed(0, 0.5)
    total, now_s, steady = 0, since_s, False
    for number, (n_bytes, passed_s) in enumerate(gave):
        now_s += passed_s if number else 0
        total += n_bytes
        backoff.gave(n_bytes, now_s)
        steady = steady or (total >= STEADY_BYTES and now_s - since_s >= STEADY_S)
    assert backoff.failed(0, 0.5) == pytest.approx(FIRST_S if steady else 16 * FIRST_S)


def test_a_feed_that_connects_and_dies_at_once_waits_longer_each_time() -> None:
    backoff, waits = Backoff(), []
    for attempt in range(4):
        backoff.gave(RATE * 4, 100.0 * attempt)
        backoff.gave(RATE * 4, 100.0 * attempt + 1)
        waits.append(backoff.failed(0, 0.5))
    assert waits == [1, 2, 4, 8]

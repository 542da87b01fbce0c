"""Each prompt is asked about each window that it is for, and whoever stands behind knows of all others."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as st
from parts import HOP, LANE, PROMPT, RATE, TIME, Running, window

from pengi_stream.engine.batcher import Shed
from pengi_stream.engine.reorder import Expected, Finished, Ordered, Passing
from pengi_stream.metrics import Metrics
from pengi_stream.options import Prompt
from pengi_stream.outcomes import Quiet, StatusChange, Unheard, WindowItem, span_of
from pengi_stream.positions import ReadPosition
from pengi_stream.runtime.asking import NO_PROMPT, Asker, Questions
from pengi_stream.runtime.channel import Channel, Fifo
from pengi_stream.runtime.tracker import Tracker
from pengi_stream.status import Status
from pengi_stream.types import BadRecord, Batch, Gap, Request, Resumed, Revoked, Stream, StreamEnd, StreamState

DOOR, HALL, LIVE = Stream("door"), Stream("hall"), Stream("yard", "now", live=True)
TAGS = Prompt("tags", "generate metadata", streams=("door",))

Put = Expected | Passing | Finished | Request


class Noted(Fifo[Put]):
    """Notes what is put into it, in one order with what is put into others."""

    def __init__(self, notes: list[Put]) -> None:
        super().__init__(10_000)
        self._notes = notes

    def add(self, item: Put, now_s: float) -> None:
        self._notes.append(item)
        super().add(item, now_s)


class Asking:
    """An asker, and what it put into its two channels."""

    def __init__(self, *prompts: Prompt) -> None:
        self.put: list[Put] = []
        self.metrics = Metrics()
        requests: Channel[Request, Batch | Shed] = Channel(Noted(self.put))  # type: ignore[arg-type]
        joined: Channel[Expected | Passing | Finished, Ordered] = Channel(Noted(self.put))  # type: ignore[arg-type]
        self.asker = Asker(Questions(prompts), requests, joined, Tracker(1, 1), self.metrics)

    @property
    def requests(self) -> list[Request]:
        return [item for item in self.put if isinstance(item, Request)]

    @property
    def passed(self) -> list[object]:
        return [item.item for item in self.put if isinstance(item, Passing)]


def test_a_window_that_no_prompt_is_for_is_unheard_with_that_reason() -> None:
    asking = Asking(TAGS)
    asking.asker.take(0, window(HALL))
    assert asking.passed == [Unheard(span_of(window(HALL)), NO_PROMPT)]
    assert asking.metrics.ledgers.count("windows", "gated") == 1
    assert asking.metrics.ledgers.in_flight("windows") == 0


def test_an_answer_is_expected_before_the_model_can_have_given_it() -> None:
    asking = Asking(PROMPT, TAGS)
    asking.asker.take(0, window(DOOR))
    kinds = [(type(item), item.sequence) for item in asking.put if isinstance(item, Expected | Request)]
    one, other = (item.sequence for item in asking.requests)
    assert kinds == [(Expected, one), (Request, one), (Expected, other), (Request, other)]
    assert [item.prompt for item in asking.requests] == [PROMPT, TAGS]
    assert asking.metrics.ledgers.count("requests", "in") == 2
    assert asking.metrics.ledgers.count("windows", "requested") == 1


def test_the_place_of_a_window_waits_for_all_of_its_prompts_before_the_first_can_be_answered() -> None:
    tracker, seen = Tracker(1, 1), list[int]()
    asked = window(DOOR, 0, offset=4)

    class Eager(Fifo[Put]):
        """Answers each request while it is asked."""

        def add(self, item: Put, now_s: float) -> None:
            if isinstance(item, Expected):
                tracker.done(item.work)
                seen.extend(position.offset for position in tracker.committable(0))

    joined: Channel[Expected | Passing | Finished, Ordered] = Channel(Eager(100))  # type: ignore[arg-type]
    requests: Channel[Request, Batch | Shed] = Channel(Fifo(100))  # type: ignore[arg-type]
    tracker.advanced(0, asked, None)
    asker = Asker(Questions([PROMPT, TAGS]), requests, joined, tracker, Metrics())
    asker.take(0, asked)
    assert seen == [4, 5]


def test_what_needs_no_model_goes_around_it_with_work_of_its_own() -> None:
    asking, place = Asking(PROMPT), ReadPosition(LANE, 7)
    items: list[WindowItem] = [
        Quiet(span_of(window(DOOR, 0, offset=7))),
        Unheard(span_of(window(DOOR, 1)), "the tail of a segment is dropped"),
        Gap(DOOR, 0, HOP, RATE, TIME, "missing", place),
        BadRecord(DOOR, "is no audio", position=place),
        StreamEnd(DOOR, place),
    ]
    for item in items:
        asking.asker.take(0, item)
    assert asking.passed == items
    works = [item.work for item in asking.put if isinstance(item, Passing)]
    assert len({work.number for work in works if work is not None}) == len(items)
    assert asking.metrics.ledgers.count("windows", "gated") == 1


def test_where_a_stream_goes_on_or_leaves_is_told_behind_the_model_and_is_nobodys_work() -> None:
    asking, place = Asking(PROMPT), ReadPosition(LANE, 7)
    for item in (Resumed(DOOR, StreamState(DOOR, 0, 0), place), Revoked(DOOR, place)):
        asking.asker.take(0, item)
        put = asking.put[-1]
        assert isinstance(put, Passing)
        assert (put.item, put.work, put.key) == (item, None, ("door", LANE))


def test_a_live_stream_never_waits_for_what_stored_ones_left() -> None:
    asking = Asking(PROMPT)
    change = StatusChange(LIVE, "camera", Status("stalled", "no samples"), 5)
    asking.asker.take(0, window(LIVE))
    asking.asker.take(0, Quiet(span_of(window(LIVE, 1))))
    asking.asker.tell(0, change)
    asking.asker.take(0, window(DOOR))
    lives = [item.live for item in asking.put if isinstance(item, Expected | Passing)]
    assert lives == [True, True, True, False]
    assert asking.passed[-1] == change


PATTERNS = st.lists(st.sampled_from(["*", "door", "d*", "hall", "[dh]*", "yard"]), min_size=1, max_size=3)


@given(patterns=st.lists(PATTERNS, max_size=4), names=st.lists(st.sampled_from(["door", "hall", "yard"]), max_size=6))
def test_a_prompt_is_asked_of_the_streams_that_one_of_its_patterns_names(
    patterns: list[list[str]], names: list[str]
) -> None:
    prompts = [Prompt(str(number), "what?", streams=tuple(each)) for number, each in enumerate(patterns)]
    questions = Questions(prompts)
    for name in names:
        assert list(questions.of(name)) == [
            prompt for prompt in prompts if any(fnmatchcase(name, pattern) for pattern in prompt.streams)
        ]


def test_more_streams_than_are_remembered_are_still_asked_right() -> None:
    questions = Questions([TAGS])
    for number in range(5000):
        assert questions.of(f"hall-{number}") == ()
    assert questions.of("door") == (TAGS,)


def test_prompts_that_come_while_a_window_is_asked_are_for_the_next_one() -> None:
    asking = Asking(PROMPT, TAGS)
    new = [Prompt("one", "?"), Prompt("two", "??")]

    before, swapped = Questions([PROMPT, TAGS]), Questions(new)

    class Swapping(Questions):
        """Its prompts are replaced while they are looked up."""

        def of(self, stream_id: str) -> tuple[Prompt, ...]:
            asking.asker.ask_from_now_on(swapped)
            return before.of(stream_id)

    asking.asker.ask_from_now_on(Swapping([]))
    asking.asker.take(0, window(DOOR, 0))
    asking.asker.take(0, window(DOOR, 1))
    assert [request.prompt for request in asking.requests] == [PROMPT, TAGS, *new]


def test_each_window_is_asked_the_prompts_of_one_moment_however_often_they_change() -> None:
    moments = [[Prompt(f"{moment}-{number}", "?") for number in range(moment % 3 + 1)] for moment in range(6)]
    asking, done = Asking(*moments[0]), threading.Event()

    def change() -> None:
        while not done.is_set():
            for prompts in moments:
                asking.asker.ask_from_now_on(Questions(prompts))

    changing = Running(change)
    try:
        for number in range(500):
            asking.asker.take(0, window(DOOR, number))
    finally:
        done.set()
    assert changing.result() is None
    asked: dict[int, list[Prompt]] = {}
    for request in asking.requests:
        asked.setdefault(request.first_sample, []).append(request.prompt)
    assert len(asked) == 500
    assert all(_is_one_of(prompts, moments) for prompts in asked.values())


def _is_one_of(prompts: Sequence[Prompt], moments: Sequence[Sequence[Prompt]]) -> bool:
    return any(list(prompts) == list(moment) for moment in moments)

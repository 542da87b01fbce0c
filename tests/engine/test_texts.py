"""Which answers, gaps, drops and troubles become events."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pengi_stream.engine.stages import PureStage
from pengi_stream.engine.texts import Notices, Texts
from pengi_stream.events import DropEvent, Event, GapEvent, SourceEvent, StatusEvent, TextEvent
from pengi_stream.options import DecodingOptions, Prompt
from pengi_stream.outcomes import Heard, Outcome, Quiet, Span, StatusChange, Unheard
from pengi_stream.status import Status
from pengi_stream.types import NS_PER_S, BadRecord, Gap, Plain, Stream, StreamEnd, TimeMap

RATE = 16_000
DOOR = Stream("door")
SPAN = Span(DOOR, 0, 0, RATE, RATE, 0, NS_PER_S)
CAPTION = Prompt("caption", "generate audio caption")
CHANGES = replace(CAPTION, only_changes=True)
GAP = Gap(DOOR, RATE, RATE, RATE, TimeMap(0, 0, RATE), "overflow")
BAD = BadRecord(DOOR, "is no audio", time_ns=5)


def heard(text: str = "rain", second: int = 0, confidence: float = 0.9, prompt: Prompt = CAPTION) -> Heard:
    start = second * RATE
    span = Span(DOOR, 0, start, start + RATE, RATE, second * NS_PER_S, (second + 1) * NS_PER_S)
    return Heard(span, prompt, text, confidence)


def told(stage: PureStage, items: list[Outcome], state: Plain = None) -> tuple[list[Event], Plain]:
    """The events of `items`, and the state behind them."""
    events: list[Event] = []
    for item in items:
        step = stage.take(item, state, 7)
        state = step.state
        events += step.events
    return events, state


def texts(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, TextEvent)]


def test_a_text_says_all_that_is_known_of_it() -> None:
    answer = replace(heard("dog", second=2), scores={"dog": 1.0}, repeated=True, origin={"offset": 3})
    [event], state = told(Texts(CAPTION, "kitchen", "mini"), [answer])
    assert isinstance(event, TextEvent)
    assert (event.pipeline, event.stream_id, event.prompt_id, event.prompt) == (
        "kitchen", "door", "caption", "generate audio caption",
    )  # fmt: skip
    assert (event.start_ns, event.end_ns, event.first_sample, event.sample_rate) == (
        2 * NS_PER_S, 3 * NS_PER_S, 2 * RATE, RATE,
    )  # fmt: skip
    assert (event.text, event.confidence, event.scores) == ("dog", 0.9, {"dog": 1.0})
    assert (event.model, event.processed_at_ns, event.repeated, event.origin) == ("mini", 7, True, {"offset": 3})
    assert state is None


@pytest.mark.parametrize(("confidence", "said"), [(0.49999, []), (0.5, ["rain"]), (0.50001, ["rain"])])
def test_an_answer_at_the_threshold_is_sure_enough(confidence: float, said: list[str]) -> None:
    stage = Texts(replace(CAPTION, threshold=0.5), "p", "m")
    assert texts(told(stage, [heard(confidence=confidence)])[0]) == said


def test_the_answers_to_other_prompts_and_all_else_are_not_its_own() -> None:
    other = heard(prompt=Prompt("tags", "generate metadata"))
    items: list[Outcome] = [other, Quiet(SPAN), Unheard(SPAN, "too old", CAPTION), GAP, BAD, StreamEnd(DOOR)]
    assert told(Texts(CHANGES, "p", "m"), items, "rain") == ([], "rain")


def test_only_changes_are_told_where_a_prompt_wants_no_more() -> None:
    said = [heard(text, second) for second, text in enumerate(["rain", "rain", "dog", "dog", "rain"])]
    assert texts(told(Texts(CHANGES, "p", "m"), list(said))[0]) == ["rain", "dog", "rain"]
    assert texts(told(Texts(CAPTION, "p", "m"), list(said))[0]) == ["rain", "rain", "dog", "dog", "rain"]


def test_what_is_not_sure_enough_is_no_change_either() -> None:
    said = [heard("rain"), heard("dog", 1, confidence=0.1), heard("rain", 2), heard("dog", 3)]
    events, state = told(Texts(replace(CHANGES, threshold=0.5), "p", "m"), list(said))
    assert (texts(events), state) == (["rain", "dog"], "dog")


def test_an_empty_text_is_a_text() -> None:
    said = [heard(""), heard("", 1), heard("dog", 2), heard("", 3)]
    assert texts(told(Texts(CHANGES, "p", "m"), list(said))[0]) == ["", "dog", ""]


ANSWERS = st.lists(st.tuples(st.sampled_from(["rain", "dog", ""]), st.sampled_from([0.1, 0.9]), st.booleans()))


@given(ANSWERS, st.data())
def test_changes_are_the_same_wherever_the_stream_was_taken_over(
    answers: list[tuple[str, float, bool]], data: st.DataObject
) -> None:
    prompt = replace(CHANGES, threshold=0.5)
    items: list[Outcome] = [
        heard(text, second, confidence) if answered else Quiet(heard(second=second).span)
        for second, (text, confidence, answered) in enumerate(answers)
    ]
    cut = data.draw(st.integers(0, len(items)))
    first, state = told(Texts(prompt, "p", "m"), items[:cut])
    second, _ = told(Texts(prompt, "p", "m"), items[cut:], state)
    whole, _ = told(Texts(prompt, "p", "m"), items)
    assert first + second == whole
    sure = [text for text, confidence, answered in answers if answered and confidence >= prompt.threshold]
    assert texts(whole) == [text for text, _ in groupby(sure)]


def test_a_state_belongs_to_what_was_asked_and_to_the_model() -> None:
    same = Texts(CHANGES, "p", "m").key
    assert Texts(CHANGES, "another pipeline", "m").key == same
    others = [
        Texts(CHANGES, "p", "another model").key,
        Texts(replace(CHANGES, id="tags"), "p", "m").key,
        Texts(replace(CHANGES, text="this is a sound of"), "p", "m").key,
        Texts(replace(CHANGES, options=DecodingOptions(beams=3)), "p", "m").key,
    ]
    assert len({same, *others}) == 5


def test_gaps_drops_troubles_and_states_are_told_and_nothing_else_is() -> None:
    change = StatusChange(DOOR, "yard", Status("stalled", "no samples"), 9)
    items: list[Outcome] = [
        GAP,
        BAD,
        Unheard(SPAN, "waited too long", CAPTION),
        Unheard(SPAN, "the model failed", CAPTION, BAD),
        change,
        heard(),
        Quiet(SPAN),
        Unheard(SPAN, "the tail of a segment is dropped"),
        StreamEnd(DOOR),
    ]
    events, state = told(Notices("p"), items)
    assert [type(event) for event in events] == [GapEvent, SourceEvent, DropEvent, SourceEvent, StatusEvent]
    assert state is None
    gap, source, drop, failed, status = events
    assert (gap.start_ns, getattr(gap, "end_ns", None)) == (NS_PER_S, 2 * NS_PER_S)
    assert (source.start_ns, source.stream_id, source.pipeline) == (5, "door", "p")
    assert failed == source
    assert isinstance(drop, DropEvent)
    assert (drop.prompt_id, drop.reason, drop.end_ns) == ("caption", "waited too long", NS_PER_S)
    assert isinstance(status, StatusEvent)
    assert (status.source, status.state, status.reason, status.start_ns) == ("yard", "stalled", "no samples", 9)

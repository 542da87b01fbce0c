"""An event of the same thing has the same id; another thing has another."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace

from pengi_stream.engine.events import NAMESPACE, drop_event, event_id, gap_event, source_event, text_event
from pengi_stream.options import DecodingOptions, Prompt
from pengi_stream.outcomes import Heard, Span, Unheard
from pengi_stream.types import BadRecord, Gap, Stream, TimeMap
from pengi_stream.wire.events import data_of

SPAN = Span(
    stream=Stream("door", "2026-01-01T00:00:00.000Z"),
    segment_sample=0,
    first_sample=53_760,
    end_sample=161_520,
    sample_rate=16_000,
    start_ns=3_360_000_000,
    end_ns=10_095_000_000,
)
PROMPT = Prompt("alarm", "this is a sound of", labels=("siren", "gunshot"))
HEARD = Heard(SPAN, PROMPT, "siren", 0.75, {"siren": 0.75, "gunshot": 0.25})


def test_a_text_event_carries_what_the_wire_format_promises() -> None:
    event = text_event(HEARD, "kitchen", "mini", 10_500_123_456)
    assert data_of(event) == {
        "stream_id": "door",
        "prompt_id": "alarm",
        "prompt": "this is a sound of",
        "text": "siren",
        "confidence": 0.75,
        "scores": {"siren": 0.75, "gunshot": 0.25},
        "window_start": "1970-01-01T00:00:03.360Z",
        "window_end": "1970-01-01T00:00:10.095Z",
        "offset_s": 3.36,
        "first_sample": 53_760,
        "sample_rate": 16_000,
        "model": "mini",
        "processed_at": "1970-01-01T00:00:10.500Z",
    }
    assert (event.type, event.pipeline, event.stream_id, event.start_ns) == (
        "pengi_stream.text",
        "kitchen",
        "door",
        3_360_000_000,
    )


def test_a_text_that_came_from_kafka_says_from_which_record_on() -> None:
    origin = {"topic": "audio-in", "partition": 3, "offset": 41}
    event = text_event(replace(HEARD, origin=origin), "kitchen", "mini", 0)
    assert data_of(event)["origin"] == origin


def test_an_answer_that_is_given_again_says_so_and_has_the_id_that_a_new_one_would_have() -> None:
    prompt = replace(PROMPT, novelty=0.1)
    again = text_event(replace(HEARD, prompt=prompt, repeated=True), "kitchen", "mini", 1)
    assert data_of(again)["repeated"] is True
    assert again.id == text_event(HEARD, "kitchen", "mini", 1).id


def test_a_repeat_has_the_same_id_whatever_was_said_and_when() -> None:
    again = replace(HEARD, text="gunshot", confidence=0.9)
    assert text_event(HEARD, "kitchen", "mini", 1).id == text_event(again, "cellar", "mini", 2).id


def test_another_stream_session_window_question_or_model_has_another_id() -> None:
    def with_window(**changes: object) -> Heard:
        return replace(HEARD, span=replace(SPAN, **changes))  # type: ignore[arg-type]

    def with_prompt(**changes: object) -> Heard:
        return replace(HEARD, prompt=replace(PROMPT, **changes))  # type: ignore[arg-type]

    different = [
        HEARD,
        with_window(stream=Stream("hall", SPAN.stream.session)),
        with_window(stream=Stream("door", "later")),
        with_window(first_sample=0),
        with_prompt(text="generate metadata"),
        with_prompt(labels=("siren",)),
        with_prompt(options=DecodingOptions(beams=3)),
        with_prompt(options=DecodingOptions(top_p=1)),
        with_prompt(options=DecodingOptions(top_p=1, seed=1)),
        with_prompt(options=DecodingOptions(add_text=" and")),
        with_prompt(options=DecodingOptions(stop=(".",))),
    ]
    ids = {text_event(heard, "kitchen", "mini", 1).id for heard in different}
    ids.add(text_event(HEARD, "kitchen", "base", 1).id)
    assert len(ids) == len(different) + 1


def test_an_id_stays_what_it_was_before_texts_could_be_sampled() -> None:
    asked = [PROMPT.text, *PROMPT.labels, 2, 30, 0.5]
    name = ["pengi_stream.text", "door", "s", 7, asked, "mini"]
    prompt = replace(PROMPT, options=DecodingOptions(beams=2, temperature=0.5))
    found = event_id("pengi_stream.text", Stream("door", "s"), 7, prompt, "mini")
    assert found == str(uuid.uuid5(NAMESPACE, json.dumps(name)))


def test_a_gap_says_from_when_how_long_and_why() -> None:
    gap = Gap(Stream("door"), 44_100, 22_050, 44_100, TimeMap(0, 0, 44_100), "device overflow")
    data = data_of(gap_event(gap, "kitchen"))
    assert data["gap_start"] == "1970-01-01T00:00:01.000Z"
    assert data["gap_end"] == "1970-01-01T00:00:01.500Z"
    assert (data["duration_s"], data["reason"]) == (0.5, "device overflow")


def test_what_was_dropped_and_what_was_bad_say_why() -> None:
    dropped = drop_event(Unheard(SPAN, "waited too long", PROMPT), PROMPT, "kitchen")
    assert (dropped.type, dropped.reason, dropped.first_sample) == (
        "pengi_stream.drop",
        "waited too long",
        53_760,
    )
    bad = source_event(BadRecord(Stream("a.wav"), "is no audio"), "kitchen")
    assert (bad.type, bad.stream_id, bad.reason) == ("pengi_stream.source", "a.wav", "is no audio")

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from some_events import coverage_event, drop_event, gap_event, source_event, status_event, text_event

from pengi_stream.clock import NS_PER_S, parse_rfc3339, rfc3339
from pengi_stream.events import (
    EVENTS,
    CoverageEvent,
    CoverageKind,
    DropEvent,
    Event,
    GapEvent,
    SourceEvent,
    StatusEvent,
    TextEvent,
)
from pengi_stream.status import State
from pengi_stream.wire import TYPES, event_from_json, event_to_json
from pengi_stream.wire.events import data_of

GOLDEN = Path(__file__).parents[1] / "data" / "text_event_v1.json"

EVENT = TextEvent(
    id="2f1b1c1e-6b0e-5c53-9e0c-0d8b8a5b7f10",
    pipeline="kitchen",
    stream_id="tür/ost",
    start_ns=3_360_000_000,
    end_ns=10_080_000_000,
    prompt_id="alarm",
    prompt="this is a sound of",
    text='glass "breaking" 🐧',
    confidence=0.87,
    scores={"glass breaking": 0.87, "siren": 0.13},
    first_sample=53_760,
    sample_rate=16_000,
    model="mini-0123abcd-float32",
    processed_at_ns=parse_rfc3339("2026-01-31T12:00:00Z"),
)

# RFC 3339, section 5.6
RFC3339 = re.compile(r"\d{4}-(0\d|1[0-2])-([0-2]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]\d\d:\d\d)")

text = st.text(min_size=1)
times_ns = st.integers(0, 4_000_000_000 * NS_PER_S)
samples = st.integers(0, 10**15)
rates = st.integers(1, 200_000)
numbers = st.floats(0, 1)
common = {"id": text, "pipeline": text, "stream_id": text, "start_ns": times_ns}
place = {"end_ns": times_ns, "first_sample": samples, "sample_rate": rates}
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        TextEvent,
        **common,
        **place,
        prompt_id=st.text(),
        prompt=st.text(),
        text=st.text(),
        confidence=numbers,
        scores=st.none() | st.dictionaries(st.text(), numbers, min_size=1, max_size=3),
        model=st.text(),
        processed_at_ns=times_ns.map(lambda ns: ns // 1_000_000 * 1_000_000),
        repeated=st.booleans(),
        origin=st.none() | st.dictionaries(st.text(), st.text() | st.integers(), min_size=1, max_size=3),
        window=st.none(),
    ),
    st.builds(GapEvent, **common, **place, reason=st.text(), missing_samples=st.integers(1, 10**15)),
    st.builds(SourceEvent, **common, reason=st.text()),
    st.builds(DropEvent, **common, **place, prompt_id=st.text(), reason=st.text()),
    st.builds(StatusEvent, **common, source=text, state=st.sampled_from(get_args(State)), reason=st.text()),
    st.builds(
        CoverageEvent,
        **common,
        **place,
        kind=st.sampled_from(get_args(CoverageKind)),
        reason=st.text(),
        end_sample=samples,
    ),
)


def test_the_bytes_of_an_event_stay_as_consumers_know_them() -> None:
    """The golden file was written by hand from the CloudEvents specification and the design of the wire format.

    Consumers parse these bytes and store ids that were made with them: a change is a new version of the dataschema.
    """
    assert event_to_json(EVENT).encode() + b"\n" == GOLDEN.read_bytes()
    assert event_from_json(GOLDEN.read_bytes()) == EVENT


def test_every_type_of_event_has_its_own_name_on_the_wire() -> None:
    assert {kind.type for kind in EVENTS} == set(TYPES)
    assert len(EVENTS) == len(TYPES)


DATA: list[tuple[Event, dict[str, object]]] = [
    (
        gap_event(start_ns=500_000_000, end_ns=3 * NS_PER_S, first_sample=4_000, sample_rate=8_000,
                  missing_samples=20_000),
        {
            "reason": "overflow",
            "gap_start": "1970-01-01T00:00:00.500Z",
            "gap_end": "1970-01-01T00:00:03.000Z",
            "duration_s": 2.5,
            "first_sample": 4_000,
            "missing_samples": 20_000,
            "sample_rate": 8_000,
        },
    ),
    (source_event(), {"reason": "is no audio"}),
    (
        drop_event(first_sample=8_000),
        {
            "prompt_id": "caption",
            "reason": "too old",
            "window_start": "1970-01-01T00:00:00.000Z",
            "window_end": "1970-01-01T00:00:01.000Z",
            "first_sample": 8_000,
            "sample_rate": 16_000,
        },
    ),
    (status_event(), {"source": "yard", "state": "stalled", "reason": "no samples for 10 s"}),
    (
        coverage_event(kind="unheard", reason="too old", end_sample=16_000),
        {
            "kind": "unheard",
            "start": "1970-01-01T00:00:00.000Z",
            "end": "1970-01-01T00:00:01.000Z",
            "duration_s": 1.0,
            "first_sample": 0,
            "end_sample": 16_000,
            "sample_rate": 16_000,
            "reason": "too old",
        },
    ),
]  # fmt: skip


@pytest.mark.parametrize(("event", "data"), DATA, ids=[event.type for event, _ in DATA])
def test_the_data_of_each_type_are_what_its_schema_says(event: Event, data: dict[str, object]) -> None:
    assert data_of(event) == {"stream_id": "door", **data}
    found = json.loads(event_to_json(event))
    kind = event.type.removeprefix("pengi_stream.")
    assert (found["data"], found["type"]) == ({"stream_id": "door", **data}, f"pengi_stream.{kind}")
    assert found["dataschema"] == f"urn:pengi-stream:schema:{kind}:v1"


def test_what_is_seldom_so_is_said_only_where_it_is_so() -> None:
    assert not {"scores", "repeated", "origin"} & data_of(text_event()).keys()
    assert "reason" not in data_of(coverage_event())
    origin = {"topic": "audio", "partition": 3, "offset": 17}
    said = data_of(text_event(scores={"dog": 1.0}, repeated=True, origin=origin))
    assert (said["scores"], said["repeated"], said["origin"]) == ({"dog": 1.0}, True, origin)


@given(events)
def test_an_event_survives_the_wire(event: Event) -> None:
    assert event_from_json(event_to_json(event)) == event
    assert event_from_json(event_to_json(event).encode()) == event


@given(events)
def test_every_event_is_one_line_of_a_valid_cloud_event(event: Event) -> None:
    line = event_to_json(event)
    assert "\n" not in line
    assert "\r" not in line
    found = json.loads(line)
    assert found["specversion"] == "1.0"
    for attribute in ("id", "source", "type", "subject"):
        assert isinstance(found[attribute], str)
        assert found[attribute]
    assert RFC3339.fullmatch(found["time"])
    assert urlsplit(found["dataschema"]).scheme == "urn"
    assert all(re.fullmatch("[a-z0-9]+", attribute) for attribute in found)


def test_a_file_name_that_is_no_utf8_can_be_written_and_read_again() -> None:
    name = b"caf\xe9.wav".decode("utf-8", "surrogateescape")
    event = source_event(stream_id=name)
    assert event_from_json(event_to_json(event).encode()).stream_id == name


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_json_does_not_have_are_refused(number: float) -> None:
    event = text_event(confidence=number)
    with pytest.raises(ValueError, match="not JSON compliant"):
        event_to_json(event)
    with pytest.raises(ValueError, match="no JSON number"):
        event_from_json(json.dumps({"data": {"confidence": number}}))


def changed(**attributes: object) -> str:
    return json.dumps({**json.loads(event_to_json(EVENT)), **attributes})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[]", "expected a JSON object"),
        ("", "Expecting value"),
        (b"\xff\xfe\xfd", "can't decode"),
        (changed(specversion="0.3"), "specversion"),
        (changed(id=""), "id ''"),
        (changed(id=7), "id 7"),
        (changed(source=None), "source None"),
        (changed(subject=None), "subject None"),
        (changed(type="pengi_stream.txt"), "expected one of pengi_stream.text"),
        (changed(time="yesterday"), "yesterday"),
        (changed(time="1970-01-01T00:00:03"), "no time zone"),
        (changed(data="text"), "data 'text'"),
        (changed(data={"prompt_id": "caption"}), "data of pengi_stream.text without 'window_end'"),
        (changed(type="pengi_stream.gap"), "data of pengi_stream.gap without 'reason'"),
    ],
)
def test_what_is_no_event_of_ours_is_refused_with_what_was_found(line: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        event_from_json(line)


@given(st.integers(0, 4_000_000_000 * NS_PER_S))
def test_times_keep_their_nanoseconds(ns: int) -> None:
    assert parse_rfc3339(rfc3339(ns)) == ns


def test_times_of_other_zones_and_precisions_are_read() -> None:
    assert parse_rfc3339("1970-01-01T01:00:00.5+01:00") == 500_000_000
    assert parse_rfc3339("1970-01-01T00:00:01Z") == NS_PER_S

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pengi_stream.clock import NS_PER_S, parse_rfc3339, rfc3339
from pengi_stream.types import Event
from pengi_stream.wire import TYPES, event_from_json, event_to_json

GOLDEN = Path(__file__).parents[1] / "data" / "text_event_v1.json"

EVENT = Event(
    id="2f1b1c1e-6b0e-5c53-9e0c-0d8b8a5b7f10",
    type="pengi_stream.text",
    source="kitchen",
    stream_id="tür/ost",
    time_ns=3_360_000_000,
    data={
        "stream_id": "tür/ost",
        "prompt_id": "alarm",
        "prompt": "this is a sound of",
        "text": 'glass "breaking" 🐧',
        "confidence": 0.87,
        "scores": {"glass breaking": 0.87, "siren": 0.13},
        "window_start": "1970-01-01T00:00:03.360Z",
        "window_end": "1970-01-01T00:00:10.080Z",
        "offset_s": 3.36,
        "first_sample": 53760,
        "sample_rate": 16000,
        "model": "mini-0123abcd-float32",
        "processed_at": "2026-01-31T12:00:00.000Z",
    },
)

# RFC 3339, section 5.6
RFC3339 = re.compile(r"\d{4}-(0\d|1[0-2])-([0-2]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]\d\d:\d\d)")

text = st.text(min_size=1)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
events = st.builds(
    Event,
    id=text,
    type=st.sampled_from(TYPES),
    source=text,
    stream_id=text,
    time_ns=st.integers(0, 4_000_000_000 * NS_PER_S),
    data=st.dictionaries(st.text(), json_values, min_size=1, max_size=4),
)


def test_the_bytes_of_an_event_stay_as_consumers_know_them() -> None:
    """The golden file was written by hand from the CloudEvents specification and the design of the wire format.

    Consumers parse these bytes and store ids that were made with them: a change is a new version of the dataschema.
    """
    assert event_to_json(EVENT).encode() + b"\n" == GOLDEN.read_bytes()
    assert event_from_json(GOLDEN.read_bytes()) == EVENT


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
    event = Event("1", "pengi_stream.source", "p", name, 0, {"reason": "is no audio"})
    assert event_from_json(event_to_json(event).encode()).stream_id == name


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_json_does_not_have_are_refused(number: float) -> None:
    event = Event("1", "pengi_stream.text", "p", "s", 0, {"confidence": number})
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

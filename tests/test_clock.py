"""Times as text: RFC 3339, whatever the number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pengi_stream.clock import parse_rfc3339, rfc3339


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ("0999-12-31T23:59:59.25Z", "0999-12-31T23:59:59.250Z"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59.000Z"),
    ],
)
def test_a_year_has_four_digits_and_what_lies_outside_is_the_nearest_moment_within(text: str, shown: str) -> None:
    assert rfc3339(parse_rfc3339(text)) == shown


@given(st.integers())
def test_any_time_is_written_such_that_it_can_be_read(ns: int) -> None:
    shown = rfc3339(ns)
    assert rfc3339(parse_rfc3339(shown)) == shown

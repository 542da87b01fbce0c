"""A source that fails is asked again, later each time, until it was steady."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pengi_stream.engine.backoff import FIRST_S, JITTER, MOST_S, STEADY_BYTES, STEADY_S, Backoff

MIDDLE = 0.5
"""The chance that adds nothing and takes nothing away"""


def waits(backoff: Backoff, times: int, retry_after_s: float = 0.0) -> list[float]:
    return [backoff.failed(retry_after_s, MIDDLE) for _ in range(times)]


def test_waits_double_up_to_half_a_minute() -> None:
    assert waits(Backoff(), 8) == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_source_that_asks_for_more_is_given_more_and_then_doubles_from_there() -> None:
    assert waits(Backoff(), 4, retry_after_s=5) == [5, 10, 20, 30]
    backoff = Backoff()
    assert backoff.failed(0, MIDDLE) == 1
    assert backoff.failed(12, MIDDLE) == 12
    assert backoff.failed(0, MIDDLE) == 24


def test_no_source_waits_longer_than_half_a_minute_whatever_it_asks_for() -> None:
    assert waits(Backoff(), 2, retry_after_s=3_600) == [MOST_S, MOST_S]


@given(st.floats(0, 100), st.floats(0, 1), st.integers(0, 10))
def test_jitter_is_a_fifth_at_most(retry_after_s: float, chance: float, failures: int) -> None:
    plain, jittery = Backoff(), Backoff()
    waits(plain, failures, retry_after_s)
    waits(jittery, failures, retry_after_s)
    middle, found = plain.failed(retry_after_s, MIDDLE), jittery.failed(retry_after_s, chance)
    assert middle * (1 - JITTER) <= found * (1 + 1e-9)
    assert found <= middle * (1 + JITTER) * (1 + 1e-9)


def test_chance_spreads_waits_over_the_whole_of_the_jitter() -> None:
    assert Backoff().failed(10, 0.0) == pytest.approx(8)
    assert Backoff().failed(10, 1.0) == pytest.approx(12)


def test_a_steady_source_begins_anew() -> None:
    backoff = Backoff()
    waits(backoff, 4)
    backoff.gave(STEADY_BYTES // 2, 100.0)
    backoff.gave(STEADY_BYTES // 2, 100.0 + STEADY_S)
    assert backoff.failed(0, MIDDLE) == FIRST_S


@pytest.mark.parametrize(
    ("n_bytes", "seconds"), [(STEADY_BYTES - 1, 10 * STEADY_S), (100 * STEADY_BYTES, STEADY_S - 0.1)]
)
def test_a_feed_that_dies_soon_or_says_little_is_not_steady(n_bytes: int, seconds: float) -> None:
    backoff = Backoff()
    waits(backoff, 3)
    backoff.gave(0, 0.0)
    backoff.gave(n_bytes, seconds)
    assert backoff.failed(0, MIDDLE) == 8


def test_what_was_given_before_a_failure_does_not_count_behind_it() -> None:
    backoff = Backoff()
    waits(backoff, 2)
    backoff.gave(STEADY_BYTES - 1, 0.0)
    assert backoff.failed(0, MIDDLE) == 4
    backoff.gave(1, 40.0)
    assert backoff.failed(0, MIDDLE) == 8
    backoff.gave(STEADY_BYTES, 50.0)
    backoff.gave(0, 79.0)
    assert backoff.failed(0, MIDDLE) == 16

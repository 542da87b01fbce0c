"""A share and its interval."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pengi_stream.lab.evaluation.proportion import Proportion


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_contains_the_share_and_stays_within_0_and_1(counts: tuple[int, int]) -> None:
    figure = Proportion(*counts)
    low, high = figure.interval
    assert 0 <= low <= figure.share + 1e-9
    assert figure.share - 1e-9 <= high <= 1


def test_the_interval_is_wilsons() -> None:
    low, high = Proportion(78, 80).interval  # as scipy.stats.binomtest gives it
    assert (round(low, 3), round(high, 3)) == (0.913, 0.993)

"""Trials take turns."""

from __future__ import annotations

from pengi_stream.lab.bench.paired import Percentiles, Trial, take_turns


def test_trials_alternate_within_each_repeat_and_the_warm_up_does_not_count() -> None:
    order: list[tuple[str, int]] = []

    def noted(name: str) -> Trial[int]:
        return Trial(lambda repeat: order.append((name, repeat)) or repeat)

    one, other = noted("one"), noted("other")
    take_turns([one, other], repeats=2)
    assert order == [("one", 0), ("other", 0), ("one", 1), ("other", 1), ("other", 2), ("one", 2)]
    assert one.runs == other.runs == [1, 2]


def test_a_ratio_compares_what_was_measured_in_the_same_repeat() -> None:
    slower, faster = Trial(lambda repeat: 3.0 * repeat), Trial(lambda repeat: 1.0 * repeat)
    take_turns([slower, faster], repeats=4)
    found = slower.ratio(faster, float)
    assert found.least == found.median == found.most == 3
    assert slower.spread(float).most == 12


def test_percentiles_are_in_order() -> None:
    found = Percentiles.of([0.1, 0.2, 0.3, 10.0])
    assert 0.1 < found.p50_s < found.p95_s < found.p99_s < 10.0

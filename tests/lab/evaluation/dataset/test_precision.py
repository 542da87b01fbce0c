"""Metrics against values worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pengi_stream.lab.evaluation.dataset.precision import precisions
from pengi_stream.lab.evaluation.proportion import Proportion

SCORED = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=30).filter(
    lambda files: any(relevant for relevant, _ in files)
)


def average_precision(files: list[tuple[bool, float]]) -> float:
    truths = [{"rain"} if relevant else set() for relevant, _ in files]
    return precisions(["rain"], truths, np.array([[score] for _, score in files], np.float32)).mean


@pytest.mark.parametrize(
    ("right", "of", "low", "high"),
    [
        (50, 100, 0.4038, 0.5962),  # textbooks' example
        (0, 10, 0.0, 0.2775),  # z² / (n + z²) = 3.8415 / 13.8415
        (10, 10, 0.7225, 1.0),
        (1, 1, 0.2065, 1.0),  # 1 / (1 + z²)
    ],
)
def test_an_accuracy_has_wilsons_interval(right: int, of: int, low: float, high: float) -> None:
    assert Proportion(right, of).interval == pytest.approx((low, high), abs=1e-4)
    assert Proportion(right, of).share == right / of


@pytest.mark.parametrize(
    ("relevant", "scores", "expected"),
    [
        ([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1], (1 / 1 + 2 / 3) / 2),
        ([0, 0, 0, 1], [0.9, 0.8, 0.7, 0.1], 1 / 4),
        ([1, 1, 0, 0], [0.9, 0.8, 0.7, 0.1], 1),
        ([0, 1, 1, 0, 1], [0.1, 0.5, 0.9, 0.7, 0.2], (1 / 1 + 2 / 3 + 3 / 4) / 3),
        ([0, 1, 0, 0], [0.5, 0.5, 0.5, 0.5], 1 / 4),  # all are retrieved at once
        ([1, 0, 1], [0.9, 0.5, 0.5], (1 / 1 + 2 / 3) / 2),
    ],
)
def test_average_precision(relevant: list[int], scores: list[float], expected: float) -> None:
    assert average_precision(list(zip(map(bool, relevant), scores, strict=True))) == pytest.approx(expected)


@given(SCORED, st.randoms())
def test_the_order_of_the_files_does_not_matter(files: list[tuple[bool, float]], random: object) -> None:
    shuffled = list(files)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert average_precision(files) == pytest.approx(average_precision(shuffled))


def test_the_mean_is_over_labels_that_some_file_has() -> None:
    truths = [{"rain"}, {"dog", "rain"}, set()]
    scores = np.array([[0.5, 0.1, 0.9], [0.6, 0.05, 0.1], [0.1, 0.5, 0.0]], np.float32)
    found = precisions(["rain", "dog", "cat"], truths, scores)
    assert found.by_label == {"rain": 1.0, "dog": pytest.approx(1 / 3)}
    assert found.mean == pytest.approx(2 / 3)

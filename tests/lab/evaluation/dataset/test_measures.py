"""Figures from predictions, worked by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pengi_stream.errors import ConfigError
from pengi_stream.lab.evaluation.dataset.ask import Prediction
from pengi_stream.lab.evaluation.dataset.measures import NO_SENTENCES, figures
from pengi_stream.lab.evaluation.dataset.table import Item

LABELS = ("cat", "dog", "rain")


def said(text: str, *truths: str, scores: Sequence[float] | None = None) -> Prediction:
    row = None if scores is None else np.array(scores, np.float32)
    return Prediction(Item(Path(text), text, truths), text, 0.5, row)


def test_accuracy_is_the_share_of_right_labels() -> None:
    found = figures("label", [said("dog", "dog"), said("cat", "dog"), said("cat", "cat"), said("rain", "cat")], LABELS)
    [accuracy] = found.overall
    assert (accuracy.name, accuracy.value, accuracy.of) == ("accuracy", 0.5, "2 of 4 recordings")
    assert accuracy.interval == pytest.approx((0.1500, 0.8500), abs=1e-4)
    assert found.by_label == {"cat": 0.5, "dog": 0.5}
    assert found.by_file == {"right": (1, 0, 1, 0)}


def test_mean_average_precision_is_over_labels_that_occur() -> None:
    found = figures(
        "labels",
        [
            said("a", "dog", scores=[0.1, 0.6, 0.3]),
            said("b", "dog", "cat", scores=[0.2, 0.1, 0.7]),
            said("c", scores=[0.3, 0.3, 0.4]),
        ],
        LABELS,
    )
    assert found.by_label == {"cat": pytest.approx(1 / 2), "dog": pytest.approx((1 + 2 / 3) / 2)}
    [precision] = found.overall
    assert precision.name == "mAP"
    assert precision.value == pytest.approx((1 / 2 + 5 / 6) / 2)
    assert precision.of == "3 recordings, 2 of 3 labels"


def test_captions_are_scored_each_and_over_all() -> None:
    pytest.importorskip("aac_metrics", reason="the extra eval is not installed")
    true = ["a man speaks.", "someone speaks.", "a man is speaking while a bird is chirping in the background"]
    found = figures(
        "captions", [said("a man is speaking", *true), said("rain falls", "rain is falling hard on a surface")], ()
    )
    [cider] = found.overall
    assert (cider.name, cider.of) == ("CIDEr-D", "2 recordings, 4 captions")
    assert cider.value == pytest.approx(0.9614, abs=1e-4)
    assert len(found.by_file["CIDEr-D"]) == 2
    assert found.note == NO_SENTENCES


def test_nothing_heard_is_no_figure() -> None:
    with pytest.raises(ConfigError, match="no recording could be heard"):
        figures("label", [], LABELS)
    with pytest.raises(ConfigError, match="none of the recordings that could be heard has one of the labels"):
        figures("labels", [said("a", scores=[0, 0, 0])], LABELS)

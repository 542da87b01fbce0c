"""From predictions to the figures of a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pengi_stream.errors import ConfigError
from pengi_stream.lab.evaluation.dataset.ask import Prediction
from pengi_stream.lab.evaluation.dataset.captioning import cider_d, sentence_similarity
from pengi_stream.lab.evaluation.dataset.precision import precisions
from pengi_stream.lab.evaluation.dataset.table import Kind
from pengi_stream.lab.evaluation.figure import Figure
from pengi_stream.lab.evaluation.proportion import Proportion

NO_SENTENCES = "sentence similarity needs --sentence-model DIR, a sentence-transformers model; it was left out"


@dataclass(frozen=True, slots=True)
class Figures:
    """All results of a data set."""

    overall: tuple[Figure, ...]
    by_label: Mapping[str, float] = field(default_factory=dict)
    """Accuracy or average precision of each label's recordings"""
    by_file: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Columns with a value for each recording, in their order"""
    note: str = ""


def figures(
    kind: Kind, said: Sequence[Prediction], labels: Sequence[str], sentence_model: Path | None = None
) -> Figures:
    """How good `said` is, by what is known of the recordings. Raises ConfigError."""
    if not said:
        raise ConfigError("no recording could be heard, so there is nothing to measure")
    match kind:
        case "label":
            return _of_one_label(said)
        case "labels":
            return _of_labels(said, labels)
        case "captions":
            return _of_captions(said, sentence_model)


def _of_one_label(said: Sequence[Prediction]) -> Figures:
    right = [prediction.text in prediction.item.truths for prediction in said]
    share = Proportion(sum(right), len(right))
    by_label: dict[str, list[bool]] = {}
    for prediction, is_right in zip(said, right, strict=True):
        by_label.setdefault(prediction.item.truths[0], []).append(is_right)
    accuracy = Figure.of_share("accuracy", share, "recordings")
    return Figures(
        (accuracy,),
        {label: sum(hits) / len(hits) for label, hits in sorted(by_label.items())},
        {"right": tuple(float(is_right) for is_right in right)},
    )


def _of_labels(said: Sequence[Prediction], labels: Sequence[str]) -> Figures:
    scores = np.stack([prediction.scores for prediction in said if prediction.scores is not None])
    found = precisions(labels, [frozenset(prediction.item.truths) for prediction in said], scores)
    if not found.by_label:
        raise ConfigError("none of the recordings that could be heard has one of the labels")
    of = f"{len(said)} recordings, {len(found.by_label)} of {len(labels)} labels"
    return Figures((Figure("mAP", found.mean, of=of),), dict(sorted(found.by_label.items())))


def _of_captions(said: Sequence[Prediction], sentence_model: Path | None) -> Figures:
    candidates, references = [one.text for one in said], [one.item.truths for one in said]
    of = f"{len(said)} recordings, {sum(map(len, references))} captions"
    scored = {"CIDEr-D": cider_d(candidates, references)}
    if sentence_model is not None:
        scored["sentence similarity"] = sentence_similarity(candidates, references, sentence_model)
    return Figures(
        tuple(Figure(name, score.mean, of=of) for name, score in scored.items()),
        by_file={name: score.each for name, score in scored.items()},
        note="" if sentence_model else NO_SENTENCES,
    )

"""Confidence that means something: what the model says about held-out clips tells how often such texts are right.

For each kind of prompt a logistic function of the evidence is fitted (`models/pengi/confidence.py`), with weights that
are not negative, so that more evidence never means less confidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from pengi_stream.errors import ConfigError
from pengi_stream.lab.evaluation.held_out.answers import Asked, ask_caption, ask_events
from pengi_stream.lab.evaluation.held_out.clips import HeldOutClip, windows_of
from pengi_stream.lab.evaluation.held_out.questions import HOW_MANY, IS_THERE, Questioner
from pengi_stream.lab.evaluation.windows import in_batches
from pengi_stream.lab.prompts import CAPTION, QUESTION
from pengi_stream.lab.training.data.augment import disturb
from pengi_stream.models.pengi.config import ConfidenceConfig
from pengi_stream.models.pengi.decoding.confidence import Evidence, confidence_of
from pengi_stream.models.pengi.model import PengiModel
from pengi_stream.types import Batch, Window

FOLDS = 5
STRENGTH = 3.0
"""Of the pull of the weights to `PRIOR`, against one for each text: few clips cannot move them far"""
CAUTION = 1.5
"""A wrong text counts so many times as much as a right one: better too modest than too sure"""
PRIOR = (0.0, 0.5, 0.5, 0.5)  # bias, likelihood, sound, gain
Ask = Callable[[HeldOutClip, Window], list[Asked]]


@dataclass(frozen=True, slots=True)
class Sample:
    """A text about a held-out clip."""

    prompts: str
    """Pattern of its kind of prompt"""
    source: str
    """Clips of one source are in the same fold"""
    evidence: Evidence
    right: bool
    confidence: float
    """Before calibration"""


def collect(model: PengiModel, clips: Sequence[HeldOutClip]) -> list[Sample]:
    """What the model says of each clip, as it is and disturbed (noise, rooms, telephones), to every kind of prompt."""
    samples = []
    for prompts, ask in _kinds(model, clips).items():
        asked = (one for clip, window in _windows(model, clips) for one in ask(clip, window))
        for some in in_batches(asked):
            said = model.explained(Batch(tuple(one.request for one in some)))
            samples += [
                Sample(prompts, str(one.clip.path), evidence, one.is_right(made.text), made.confidence)
                for one, (made, evidence) in zip(some, said, strict=True)
            ]
    return samples


def fit(samples: Sequence[Sample]) -> tuple[ConfidenceConfig, ...]:
    """A row for each kind of prompt, in the order in which the kinds first come."""
    kinds = dict.fromkeys(sample.prompts for sample in samples)
    return tuple(_fitted(kind, [sample for sample in samples if sample.prompts == kind]) for kind in kinds)


def cross_fitted(samples: Sequence[Sample]) -> list[Sample]:
    """The samples with the confidence that a table gives them which was fitted on clips of other sources.

    Raises ConfigError where there is only one source.
    """
    sources = sorted({sample.source for sample in samples})
    if len(sources) < 2:
        raise ConfigError(f"found {len(sources)} clip to calibrate on, expected at least 2, better 100")
    fold_of = {source: index % FOLDS for index, source in enumerate(sources)}
    found = []
    for fold in range(min(FOLDS, len(sources))):
        table = {row.prompts: row for row in fit([s for s in samples if fold_of[s.source] != fold])}
        inside = [s for s in samples if fold_of[s.source] == fold]
        found += [replace(s, confidence=confidence_of(s.evidence, table[s.prompts])) for s in inside]
    return found


def _fitted(prompts: str, samples: Sequence[Sample]) -> ConfidenceConfig:
    evidence = np.array([[1.0, s.evidence.likelihood, s.evidence.sound, s.evidence.gain] for s in samples])
    right = np.array([s.right for s in samples], dtype=np.float64)
    weight = np.where(right > 0, 1.0, CAUTION)
    targets = np.where(right > 0, (right.sum() + 1) / (right.sum() + 2), 1 / (len(right) - right.sum() + 2))  # Platt's

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = evidence @ weights
        away = weights - PRIOR
        errors = weight * (1 / (1 + np.exp(-logits)) - targets)
        value = (weight * (np.logaddexp(0, logits) - targets * logits)).sum() + STRENGTH / 2 * (away[1:] ** 2).sum()
        return float(value), evidence.T @ errors + STRENGTH * np.concatenate(([0.0], away[1:]))

    found = minimize(loss, PRIOR, jac=True, method="L-BFGS-B", bounds=[(None, None), *[(0, None)] * 3])
    bias, likelihood, sound, gain = (round(float(value), 4) for value in found.x)
    return ConfidenceConfig(prompts=prompts, bias=bias, likelihood=likelihood, sound=sound, gain=gain)


def _kinds(model: PengiModel, clips: Sequence[HeldOutClip]) -> dict[str, Ask]:
    """Patterns of prompts, the narrow ones first, and who asks such."""
    questioner = Questioner(model, clips)
    return {
        CAPTION: lambda clip, window: [ask_caption(clip, window)],
        f"{IS_THERE}*": questioner.is_there,
        HOW_MANY.replace("?", "*"): questioner.how_many,
        f"{QUESTION}*": questioner.what,
        "*": lambda clip, window: [ask_events(clip, window)],
    }


def _windows(model: PengiModel, clips: Sequence[HeldOutClip]) -> Iterator[tuple[HeldOutClip, Window]]:
    for index, (clip, window) in enumerate(zip(clips, windows_of(clips, model), strict=True)):
        yield clip, window
        yield clip, replace(window, samples=disturb(window.samples, np.random.default_rng(index)))

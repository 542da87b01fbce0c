"""The windows that the model is trained on: which recordings, cut and disturbed how. Each has a seed of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from pengi_stream.lab.clips import Clip, Split
from pengi_stream.lab.mixing import SAMPLE_RATE, mix, tile
from pengi_stream.lab.training.data.augment import cut, disturb, load_audio
from pengi_stream.lab.training.data.tones import MAKERS, synthesise
from pengi_stream.sounds.words import Label
from pengi_stream.types import Samples

QUIET_DB = 9.0
"""A sound that much softer than another is not named."""


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """One window to make."""

    clips: tuple[Clip, ...]
    """One, or two to be mixed"""
    clean: bool
    """As in inference, from the clip's first sample, undisturbed"""
    seed: int


@dataclass(frozen=True, slots=True)
class WindowFacts:
    """What is true of a window that was made."""

    sounds: tuple[str, ...]
    scene: str
    labels: tuple[str, ...]
    origin: str
    split: Split


COPIES = {"esc10": 8, "baby_cry": 4, "orchestra": 2, "speech": 2, "music": 2}
"""Windows made of each clip of a set; long ambiences give one for every few seconds instead."""


def tone_clips() -> list[Clip]:
    """One clip for each sound that is computed."""
    return [Clip(Path(label), label, "tones", "train") for label in MAKERS]


def plan_windows(clips: Sequence[Clip], mixtures: int, seed: int) -> list[WindowPlan]:
    """All windows: the test clips once and clean; training clips in several copies; mixtures of two of them."""
    plans = [WindowPlan((c,), clean=True, seed=0) for c in clips if c.split == "test"]
    training = [c for c in clips if c.split == "train"]
    for clip in training:
        plans += [WindowPlan((clip,), copy == 0 and clip.origin != "tones", copy) for copy in range(_copies(clip))]
    rng = np.random.default_rng(seed)
    by_label: dict[str, list[Clip]] = {}
    for clip in training:
        by_label.setdefault(clip.label, []).append(clip)
    labels = sorted(set(by_label) - {"silence"})
    common = sorted({"speech", "music"} & set(by_label), reverse=True)
    for index in range(mixtures):
        first, second = (str(label) for label in rng.choice(labels, 2, replace=False))
        first, second = (str(rng.choice(common)) if rng.random() < 0.2 and common else x for x in (first, second))
        if first != second:
            pair = tuple(by_label[x][int(rng.integers(len(by_label[x])))] for x in (first, second))
            plans.append(WindowPlan(pair, clean=False, seed=index))
    return plans


def _copies(clip: Clip) -> int:
    if clip.origin == "tones":
        return 120 if clip.label == "silence" else 50
    return COPIES.get(clip.origin, 18)


class WindowMaker:
    """Makes the samples of planned windows."""

    def __init__(self, labels: Mapping[str, Label], window_samples: int) -> None:
        self._labels = labels
        self._count = window_samples
        self._load: Callable[[Path], Samples] = lru_cache(maxsize=400)(load_audio)

    def make(self, plan: WindowPlan, index: int) -> tuple[Samples, WindowFacts]:
        """Samples at 16 kHz of window number `index`, and what is true of it. Raises soundfile's error where a
        file cannot be read."""
        rng = np.random.default_rng((index, plan.seed))
        if plan.clean:
            return tile(self._load(plan.clips[0].path), self._count), self._facts(plan.clips)
        windows = [self._cut(clip, rng) for clip in plan.clips]
        if len(windows) == 1:
            silent = plan.clips[0].label == "silence"
            return (windows[0] if silent else disturb(windows[0], rng)), self._facts(plan.clips)
        ratio_db = float(rng.uniform(0, 14))
        heard = plan.clips if ratio_db < QUIET_DB else plan.clips[:1]
        return disturb(mix(windows[0], windows[1], ratio_db), rng), self._facts(heard)

    def _cut(self, clip: Clip, rng: np.random.Generator) -> Samples:
        if clip.origin == "tones":
            return synthesise(clip.label, self._count, rng)
        return cut(self._load(clip.path), self._count, rng)

    def _facts(self, clips: Sequence[Clip]) -> WindowFacts:
        labels = [self._labels[c.label] for c in clips]
        sounds = tuple(dict.fromkeys(s for label in labels for s in label.sounds))
        scene = labels[0].scene if len(labels) == 1 else ""
        first = clips[0]
        return WindowFacts(sounds, scene, tuple(c.label for c in clips), first.origin, first.split)


def window_samples(window_s: float) -> int:
    """Samples at 16 kHz of `window_s` seconds."""
    return round(window_s * SAMPLE_RATE)


def batches(plans: Sequence[WindowPlan], size: int) -> Iterator[tuple[int, Sequence[WindowPlan]]]:
    """Consecutive plans, each batch with the index of its first."""
    for first in range(0, len(plans), size):
        yield first, plans[first : first + size]

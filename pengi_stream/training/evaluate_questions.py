"""Questions about held-out recordings, beside what always giving the most frequent answer would score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pengi_stream.protocols import AudioLanguageModel
from pengi_stream.training.augment import mix
from pengi_stream.training.evaluate import ask, ask_windows
from pengi_stream.training.evaluate_clips import HeldOutClip, as_window, windows_of
from pengi_stream.training.evaluate_proportion import Proportion
from pengi_stream.training.texts import QUESTION
from pengi_stream.types import DecodingOptions, Prompt, Window

OPTIONS = DecodingOptions(max_new_tokens=12)
WHAT = Prompt("what", QUESTION + "what is making the sound?", OPTIONS)
HOW_MANY = Prompt("how-many", QUESTION + "how many different sounds are there?", OPTIONS)


@dataclass(frozen=True, slots=True)
class Answered:
    """Answers to one kind of question."""

    right: Proportion
    majority: Proportion
    """What the most frequent true answer would score"""


def is_there(model: AudioLanguageModel, clips: Sequence[HeldOutClip], seed: int = 0) -> Answered:
    """Ask of each clip for its own sound (yes), and for the sound of another clip that is not of its kind (no)."""
    rng = np.random.default_rng(seed)
    truths, asked = [], []
    for clip, window in zip(clips, windows_of(clips, model), strict=True):
        for label, truth in ((clip.label, "yes"), (_other(clip, clips, rng), "no")):
            truths.append(truth)
            asked.append((window, Prompt("is-there", f"{QUESTION}is there {label}?", OPTIONS)))
    said = ask_windows(model, iter(asked))
    right = sum(made.text.lower().startswith(truth) for made, truth in zip(said, truths, strict=True))
    return Answered(Proportion(right, len(truths)), _majority(truths))


def what(model: AudioLanguageModel, clips: Sequence[HeldOutClip]) -> Answered:
    """Ask what is making the sound; right if the answer has a right word."""
    said = ask(model, clips, WHAT)
    right = sum(clip.right.name(made.text) for clip, made in zip(clips, said, strict=True))
    return Answered(Proportion(right, len(clips)), _majority([clip.label for clip in clips]))


def how_many(model: AudioLanguageModel, clips: Sequence[HeldOutClip], seed: int = 0) -> Answered:
    """Ask how many sounds there are in each clip (one), and in a mixture of it with another at the same level (two)."""
    windows = _alone_and_mixed(model, clips, np.random.default_rng(seed))
    truths = ["one", "two"] * len(clips)
    said = ask_windows(model, ((window, HOW_MANY) for window in windows))
    right = sum(made.text.lower() == truth for made, truth in zip(said, truths, strict=True))
    return Answered(Proportion(right, len(truths)), _majority(truths))


def _alone_and_mixed(
    model: AudioLanguageModel, clips: Sequence[HeldOutClip], rng: np.random.Generator
) -> Iterator[Window]:
    by_label = {clip.label: clip for clip in clips}
    for clip, window in zip(clips, windows_of(clips, model), strict=True):
        yield window
        [other] = windows_of([by_label[_other(clip, clips, rng)]], model)
        yield as_window(mix(window.samples, other.samples, 0.0), "mixture", model)


def _other(clip: HeldOutClip, clips: Sequence[HeldOutClip], rng: np.random.Generator) -> str:
    """A label of the set that is not right about `clip`; its own where there is no other."""
    labels = {c.label: c for c in clips}
    others = [name for name, c in labels.items() if not (clip.right.name_kind(name) or c.right.name_kind(clip.label))]
    return str(rng.choice(sorted(others))) if others else clip.label


def _majority(truths: Sequence[str]) -> Proportion:
    return Proportion(max(Counter(truths).values(), default=0), len(truths))

"""Questions about held-out recordings, beside what always giving the most frequent answer would score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from pengi_stream.lab.evaluation.held_out.answers import Answer, Asked, answers
from pengi_stream.lab.evaluation.held_out.clips import HeldOutClip, windows_of
from pengi_stream.lab.evaluation.proportion import Proportion
from pengi_stream.lab.evaluation.windows import as_window
from pengi_stream.lab.mixing import mix
from pengi_stream.lab.prompts import QUESTION
from pengi_stream.options import DecodingOptions, Prompt
from pengi_stream.protocols import AudioLanguageModel
from pengi_stream.types import Window

OPTIONS = DecodingOptions(max_new_tokens=12)
IS_THERE = QUESTION + "is there "
HOW_MANY = QUESTION + "how many different sounds are there?"
WHAT = QUESTION + "what is making the sound?"


class Questioner:
    """Asks about clips; what else is asked for or mixed in comes from other clips of the set."""

    def __init__(self, model: AudioLanguageModel, clips: Sequence[HeldOutClip], seed: int = 0) -> None:
        self._model = model
        self._clips = clips
        self._by_label = {clip.label: clip for clip in clips}
        self._rng = np.random.default_rng(seed)

    def is_there(self, clip: HeldOutClip, window: Window) -> list[Asked]:
        """Its own sound (yes), and the sound of another clip that is not of its kind (no)."""
        asked = [_asked(clip, window, f"{IS_THERE}{clip.label}?", "yes")]
        return asked + [_asked(clip, window, f"{IS_THERE}{other}?", "no") for other in self._other(clip)]

    def what(self, clip: HeldOutClip, window: Window) -> list[Asked]:
        """What makes the sound; right if the answer has a right word."""
        return [Asked(clip, window, Prompt("what", WHAT, OPTIONS), clip.label, clip.right.name)]

    def how_many(self, clip: HeldOutClip, window: Window) -> list[Asked]:
        """One, and two in a mixture with another clip at the same level."""
        asked = [_asked(clip, window, HOW_MANY, "one")]
        for label in self._other(clip):
            [other] = windows_of([self._by_label[label]], self._model)
            mixture = as_window(mix(window.samples, other.samples, 0.0), "mixture", self._model)
            asked.append(_asked(clip, mixture, HOW_MANY, "two"))
        return asked

    def answers(self, question: Callable[[HeldOutClip, Window], list[Asked]]) -> list[Answer]:
        """What the model says to one of the questions above, about all clips. Raises AudioError and ModelError."""
        return answers(self._model, self._all(question))

    def _all(self, question: Callable[[HeldOutClip, Window], list[Asked]]) -> Iterator[Asked]:
        for clip, window in zip(self._clips, windows_of(self._clips, self._model), strict=True):
            yield from question(clip, window)

    def _other(self, clip: HeldOutClip) -> list[str]:
        """One label of the set that is not right about `clip`, if there is any."""
        right = (clip.label, *(n for n, c in self._by_label.items() if c.right.name_kind(clip.label)))
        others = sorted(n for n in self._by_label if n not in right and not clip.right.name_kind(n))
        return [str(self._rng.choice(others))] if others else []


def majority(answers: Sequence[Answer]) -> Proportion:
    """What the most frequent true answer would score."""
    return Proportion(max(Counter(a.truth for a in answers).values(), default=0), len(answers))


def _asked(clip: HeldOutClip, window: Window, text: str, truth: str) -> Asked:
    prompt = Prompt("question", text, OPTIONS)
    return Asked(clip, window, prompt, truth, lambda said: said.lower().split(",")[0].strip(" .") == truth)

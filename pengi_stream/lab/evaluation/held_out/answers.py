"""How often the model is right on held-out recordings, by the path that users run: windows in, generations out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import eq

from pengi_stream.lab.evaluation.held_out.clips import HeldOutClip, windows_of
from pengi_stream.lab.evaluation.proportion import Proportion
from pengi_stream.lab.evaluation.windows import in_batches
from pengi_stream.lab.prompts import CAPTION, EVENTS
from pengi_stream.options import DecodingOptions, Prompt
from pengi_stream.protocols import AudioLanguageModel
from pengi_stream.types import Batch, Generation, Request, Window

SURE = 0.8
"""Texts with more confidence should be right nine times of ten"""


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt about a window, and what is right."""

    clip: HeldOutClip
    window: Window
    prompt: Prompt
    truth: str
    is_right: Callable[[str], bool]

    @property
    def request(self) -> Request:
        return Request(self.window, self.prompt)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said about a clip."""

    clip: HeldOutClip
    truth: str
    generation: Generation
    right: bool


def ask_caption(clip: HeldOutClip, window: Window, beams: int = 3) -> Asked:
    """For a caption; right if it has a right word."""
    prompt = Prompt("caption", CAPTION, DecodingOptions(beams=beams))
    return Asked(clip, window, prompt, clip.label, clip.right.name)


def ask_events(clip: HeldOutClip, window: Window, beams: int = 1) -> Asked:
    """For the sound events; right if a right word is among them."""
    prompt = Prompt("events", EVENTS, DecodingOptions(beams=beams))
    return Asked(clip, window, prompt, clip.label, clip.right.name)


def captions(model: AudioLanguageModel, clips: Sequence[HeldOutClip], beams: int = 3) -> list[Answer]:
    """Caption each clip's first window."""
    return answers(model, (ask_caption(clip, window, beams) for clip, window in _heard(model, clips)))


def events(model: AudioLanguageModel, clips: Sequence[HeldOutClip], beams: int = 1) -> list[Answer]:
    """Name each clip's sound events."""
    return answers(model, (ask_events(clip, window, beams) for clip, window in _heard(model, clips)))


def ranking(model: AudioLanguageModel, clips: Sequence[HeldOutClip], labels: Sequence[str]) -> list[Answer]:
    """Rank `labels` for each clip; right if its own comes first."""
    return ranking_among(model, clips, {label: label for label in labels})


def ranking_among(
    model: AudioLanguageModel, clips: Sequence[HeldOutClip], wording: dict[str, str], text: str = EVENTS
) -> list[Answer]:
    """As `ranking`, with a wording for each label."""
    prompt = Prompt("label", text, labels=tuple(wording.values()))

    def asked(clip: HeldOutClip, window: Window) -> Asked:
        return Asked(clip, window, prompt, wording[clip.label], partial(eq, wording[clip.label]))

    return answers(model, (asked(clip, window) for clip, window in _heard(model, clips)))


def answers(model: AudioLanguageModel, asked: Iterable[Asked]) -> list[Answer]:
    """What the model says; the prompts share options and labels. Raises AudioError and ModelError."""
    found = []
    for some in in_batches(asked):
        made = model.generate(Batch(tuple(one.request for one in some)))
        found += [Answer(a.clip, a.truth, g, a.is_right(g.text)) for a, g in zip(some, made, strict=True)]
    return found


def proportion(answers: Sequence[Answer]) -> Proportion:
    """How many answers are right."""
    return Proportion(sum(a.right for a in answers), len(answers))


def naming_kind(answers: Sequence[Answer]) -> Proportion:
    """How many texts name the sound or its kind."""
    return Proportion(sum(a.clip.right.name_kind(a.generation.text) for a in answers), len(answers))


def sure_ones(answers: Sequence[Answer]) -> Proportion:
    """How many are right of the answers with a confidence above `SURE`."""
    return proportion([a for a in answers if a.generation.confidence > SURE])


def _heard(model: AudioLanguageModel, clips: Sequence[HeldOutClip]) -> Iterator[tuple[HeldOutClip, Window]]:
    return zip(clips, windows_of(clips, model), strict=True)

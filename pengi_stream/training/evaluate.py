"""How often the model is right on held-out recordings, by the path that users run: windows in, generations out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from pengi_stream.protocols import AudioLanguageModel
from pengi_stream.training.evaluate_clips import HeldOutClip, windows_of
from pengi_stream.training.evaluate_proportion import Proportion
from pengi_stream.training.texts import CAPTION, EVENTS
from pengi_stream.types import Batch, DecodingOptions, Generation, Prompt, Request, Window

BATCH = 16
SURE = 0.8
"""Texts with more confidence should be right nine times of ten"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said about a clip."""

    clip: HeldOutClip
    generation: Generation
    right: bool


def captions(model: AudioLanguageModel, clips: Sequence[HeldOutClip], beams: int = 3) -> list[Answer]:
    """Caption each clip's first window; right if it has a right word."""
    return _judged(clips, ask(model, clips, Prompt("caption", CAPTION, DecodingOptions(beams=beams))), _names)


def events(model: AudioLanguageModel, clips: Sequence[HeldOutClip], beams: int = 1) -> list[Answer]:
    """Name each clip's sound events; right if a right word is among them."""
    return _judged(clips, ask(model, clips, Prompt("events", EVENTS, DecodingOptions(beams=beams))), _names)


def ranking(model: AudioLanguageModel, clips: Sequence[HeldOutClip], labels: Sequence[str]) -> list[Answer]:
    """Rank `labels` for each clip; right if its own comes first."""
    said = ask(model, clips, Prompt("label", EVENTS, labels=tuple(labels)))
    return _judged(clips, said, lambda clip, text: text == clip.label)


def proportion(answers: Sequence[Answer]) -> Proportion:
    """How many answers are right."""
    return Proportion(sum(a.right for a in answers), len(answers))


def naming_kind(answers: Sequence[Answer]) -> Proportion:
    """How many texts name the sound or its kind."""
    return Proportion(sum(a.clip.right.name_kind(a.generation.text) for a in answers), len(answers))


def sure_ones(answers: Sequence[Answer]) -> Proportion:
    """How many are right of the answers with a confidence above `SURE`."""
    return proportion([a for a in answers if a.generation.confidence > SURE])


def ask(model: AudioLanguageModel, clips: Sequence[HeldOutClip], prompt: Prompt) -> list[Generation]:
    """One generation for each clip. Raises AudioError and ModelError."""
    return list(ask_windows(model, ((window, prompt) for window in windows_of(clips, model))))


def ask_windows(model: AudioLanguageModel, asked: Iterator[tuple[Window, Prompt]]) -> Iterator[Generation]:
    """One generation for each window and its prompt; the prompts share options and labels."""
    while some := tuple(Request(window, prompt) for window, prompt in islice(asked, BATCH)):
        yield from model.generate(Batch(some))


def _names(clip: HeldOutClip, text: str) -> bool:
    return clip.right.name(text)


def _judged(
    clips: Sequence[HeldOutClip], said: Sequence[Generation], is_right: Callable[[HeldOutClip, str], bool]
) -> list[Answer]:
    return [Answer(clip, made, is_right(clip, made.text)) for clip, made in zip(clips, said, strict=True)]

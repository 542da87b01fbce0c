"""How often the model is right on held-out recordings, by the path that users run: windows in, generations out."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pengi_stream.protocols import AudioLanguageModel
from pengi_stream.training.augment import load_audio, tile
from pengi_stream.training.clips import Clip
from pengi_stream.training.texts import CAPTION, EVENTS
from pengi_stream.types import Batch, DecodingOptions, Generation, Prompt, Request, Samples, Stream, Window

SYNONYMS_FILE = Path(__file__).parent / "synonyms.csv"
UNSEEN_FILE = Path(__file__).parent / "unseen.csv"
BATCH = 16


@dataclass(frozen=True, slots=True)
class Proportion:
    """How many of how many."""

    right: int
    of: int

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval."""
        z, n = 1.96, self.of
        share = self.right / n
        centre = (share + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        return max(centre - half, 0.0), min(centre + half, 1.0)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.right}/{self.of} = {self.right / self.of:.1%} (95 % interval {low:.1%} to {high:.1%})"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said about a clip."""

    clip: Clip
    generation: Generation
    right: bool


def load_synonyms(path: Path = SYNONYMS_FILE) -> dict[str, frozenset[str]]:
    """For each label the words of which a right text has one."""
    with path.open(newline="", encoding="utf-8") as lines:
        return {row["label"]: frozenset(row["words"].split()) for row in csv.DictReader(lines)}


def names_sound(text: str, words: frozenset[str]) -> bool:
    """Does `text` have one of `words`, as a whole word?"""
    return not words.isdisjoint(re.findall(r"[a-z-]+", text.lower()))


def captions(model: AudioLanguageModel, clips: Sequence[Clip], beams: int = 3) -> list[Answer]:
    """Caption each clip's first window; right if it has a synonym of the label."""
    return _open_ended(model, clips, Prompt("caption", CAPTION, DecodingOptions(beams=beams)))


def events(model: AudioLanguageModel, clips: Sequence[Clip], beams: int = 1) -> list[Answer]:
    """Name each clip's sound events; right if a synonym of the label is among them."""
    return _open_ended(model, clips, Prompt("events", EVENTS, DecodingOptions(beams=beams)))


def ranking(model: AudioLanguageModel, clips: Sequence[Clip], labels: Sequence[str]) -> list[Answer]:
    """Rank `labels` for each clip; right if its own comes first."""
    prompt = Prompt("label", EVENTS, labels=tuple(labels))
    said = zip(clips, _generate(model, clips, prompt), strict=True)
    return [Answer(clip, generation, generation.text == clip.label) for clip, generation in said]


def heard_unseen(model: AudioLanguageModel, folder: Path, beams: int = 3) -> list[Answer]:
    """Caption the clips of `unseen.csv`, real recordings of sounds most of which were only simulated in training."""
    with UNSEEN_FILE.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    clips = [Clip(folder / row["path"], Path(row["path"]).stem, "tuxpaint", "test") for row in rows]
    said = _generate(model, clips, Prompt("caption", CAPTION, DecodingOptions(beams=beams)))
    return [
        Answer(clip, made, names_sound(made.text, frozenset(row["words"].split())))
        for clip, made, row in zip(clips, said, rows, strict=True)
    ]


def proportion(answers: Sequence[Answer]) -> Proportion:
    """How many answers are right."""
    return Proportion(sum(a.right for a in answers), len(answers))


def _open_ended(model: AudioLanguageModel, clips: Sequence[Clip], prompt: Prompt) -> list[Answer]:
    synonyms: Mapping[str, frozenset[str]] = load_synonyms()
    said = zip(clips, _generate(model, clips, prompt), strict=True)
    return [Answer(clip, made, names_sound(made.text, synonyms[clip.label])) for clip, made in said]


def _generate(model: AudioLanguageModel, clips: Sequence[Clip], prompt: Prompt) -> Iterator[Generation]:
    for first in range(0, len(clips), BATCH):
        windows = [clip_window(clip, model) for clip in clips[first : first + BATCH]]
        yield from model.generate(Batch(tuple(Request(window, prompt) for window in windows)))


def clip_window(clip: Clip, model: AudioLanguageModel) -> Window:
    """The first window of a clip; a short clip is repeated, as the tail `repeat` does."""
    return as_window(load_audio(clip.path), str(clip.path), model)


def as_window(samples: Samples, name: str, model: AudioLanguageModel) -> Window:
    """The first window of `samples`, which are at the model's rate."""
    count = model.window_samples
    return Window(
        stream=Stream(name),
        segment_sample=0,
        first_sample=0,
        samples=tile(samples, count),
        valid_samples=min(len(samples), count),
        sample_rate=model.sample_rate,
        start_ns=0,
        end_ns=round(min(len(samples), count) * 1e9 / model.sample_rate),
        ready_s=0.0,
    )

"""All figures of one checkpoint on one set of clips, as lines or as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console

from pengi_stream.lab.evaluation.figure import Figure, table_of
from pengi_stream.lab.evaluation.held_out import answers as ask
from pengi_stream.lab.evaluation.held_out.answers import SURE, Answer
from pengi_stream.lab.evaluation.held_out.baseline import top_classes
from pengi_stream.lab.evaluation.held_out.clips import HeldOutClip
from pengi_stream.lab.evaluation.held_out.questions import Questioner, majority
from pengi_stream.lab.evaluation.proportion import Proportion
from pengi_stream.models.pengi.network import Pengi
from pengi_stream.protocols import AudioLanguageModel
from pengi_stream.sounds.right_words import load_paraphrases


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured."""

    model: str
    """Identity: checkpoint and dtype"""
    clips: int
    figures: tuple[Figure, ...]
    wrong: Mapping[str, Sequence[Answer]]
    """The answers that were not right, by figure"""

    def print(self, console: Console) -> None:
        """The figures, and what was said that is not right."""
        console.print(table_of(self.figures, f"{self.clips} clips", self.model))
        for name, answers in self.wrong.items():
            console.print(f"{name}, not right:")
            for answer in answers:
                made, clip = answer.generation, answer.clip
                said = f"  {clip.path.name} ({clip.label}): {made.text} ({made.confidence:.2f})"
                console.print(said, soft_wrap=True, markup=False)

    def as_json(self) -> str:
        """Figures and wrong answers by name."""
        wrong = {
            name: [
                {
                    "path": str(answer.clip.path),
                    "label": answer.clip.label,
                    "text": answer.generation.text,
                    "confidence": round(answer.generation.confidence, 4),
                }
                for answer in answers
            ]
            for name, answers in self.wrong.items()
        }
        figures = {figure.name: figure.as_json() for figure in self.figures}
        return json.dumps({"model": self.model, "clips": self.clips, "figures": figures, "wrong": wrong}, indent=2)


def measure(model: AudioLanguageModel, network: Pengi, clips: Sequence[HeldOutClip]) -> Report:
    """Everything that is measured of a model; `network` is the model's own. Raises AudioError and ModelError."""
    labels = sorted({clip.label for clip in clips})
    answers = {"captions": ask.captions(model, clips), "events": ask.events(model, clips)}
    if len(labels) > 1:
        answers[f"ranked first of {len(labels)}"] = ask.ranking(model, clips, labels)
    figures = {name: ask.proportion(given) for name, given in answers.items()}
    figures["captions naming the sound or its kind"] = ask.naming_kind(answers["captions"])
    for name in ("captions", "events"):
        figures[f"{name} with confidence above {SURE}"] = ask.sure_ones(answers[name])
    figures |= _said_otherwise(model, clips)
    for count, figure in (top_classes(network, model, clips) or {}).items():
        figures[f"YAMNet's top {count}"] = figure
    questioner = Questioner(model, clips)
    for name, question in (
        ("what", questioner.what),
        ("is there", questioner.is_there),
        ("how many", questioner.how_many),
    ):
        given = questioner.answers(question)
        figures[f"question: {name}"] = ask.proportion(given)
        figures[f"question: {name}, majority answer"] = majority(given)
    wrong = {name: [a for a in given if not a.right] for name, given in answers.items()}
    made = tuple(Figure.of_share(name, share, "answers") for name, share in figures.items())
    return Report(model.identity, len(clips), made, wrong)


def _said_otherwise(model: AudioLanguageModel, clips: Sequence[HeldOutClip]) -> dict[str, Proportion]:
    """Ranking by paraphrases, of the clips and among the labels that have any."""
    figures = {}
    for way, wording in load_paraphrases().items():
        some = [clip for clip in clips if clip.label in wording]
        labels = {label: wording[label] for label in sorted({clip.label for clip in some})}
        if len(labels) > 1:
            answers = ask.ranking_among(model, some, labels)
            figures[f"ranked first of {len(labels)} by {way}"] = ask.proportion(answers)
    return figures

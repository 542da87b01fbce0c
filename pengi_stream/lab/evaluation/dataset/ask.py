"""Asking a model about the recordings of a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pengi_stream.api import Answer, DecodingOptions
from pengi_stream.errors import AudioError, ConfigError
from pengi_stream.lab.evaluation.dataset.table import Item

Way = Literal["write", "rank", "match"]
"""Free text; labels by their likelihood; free text, then the label that is most similar to it"""

FILES_AT_ONCE = 16
FIRST_ONLY_S = 1e9  # a hop longer than any recording


class Answering(Protocol):
    """What evaluation needs of `pengi_stream.api.Model`; see there."""

    def generate(
        self, audio: Sequence[Path], prompts: str, options: DecodingOptions, *, hop_s: float | None
    ) -> list[Answer]: ...

    def rank(
        self, audio: Sequence[Path], prompt: str, labels: Sequence[str], *, hop_s: float | None
    ) -> list[Answer]: ...


@runtime_checkable
class Matching(Answering, Protocol):
    """A model that can tell how similar two texts are."""

    def match(
        self,
        audio: Sequence[Path],
        prompt: str,
        labels: Sequence[str],
        options: DecodingOptions,
        *,
        hop_s: float | None,
    ) -> list[Answer]: ...


@dataclass(frozen=True, slots=True)
class Asking:
    """How a model is asked."""

    prompt: str
    """Goes before the item's question, where it has one"""
    way: Way
    labels: tuple[str, ...]
    """To choose among; none where text is written"""
    options: DecodingOptions
    first_window_only: bool

    def prompt_of(self, item: Item) -> str:
        return self.prompt if item.question is None else f"{self.prompt} {item.question}"


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What the model says of a recording: of its windows, the surest text, or the mean of each label's scores."""

    item: Item
    text: str
    confidence: float
    scores: NDArray[np.float32] | None = None  # (labels,)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A recording that could not be heard."""

    item: Item
    reason: str


def predictions(model: Answering, items: Sequence[Item], asking: Asking) -> Iterator[Prediction | Unreadable]:
    """One for each of `items`, in order. Raises ConfigError and ModelError where `model` cannot answer at all."""
    for prompt, alike in groupby(items, asking.prompt_of):
        group, ask = list(alike), partial(_ask, model, prompt, asking)
        for start in range(0, len(group), FILES_AT_ONCE):
            yield from _heard(group[start : start + FILES_AT_ONCE], ask)


def _heard(items: Sequence[Item], ask: Callable[[Sequence[Item]], list[Prediction]]) -> list[Prediction | Unreadable]:
    try:
        return [*ask(items)]
    except AudioError as error:
        if len(items) == 1:
            return [Unreadable(items[0], str(error))]
        return [one for item in items for one in _heard([item], ask)]


def _ask(model: Answering, prompt: str, asking: Asking, items: Sequence[Item]) -> list[Prediction]:
    audio, hop_s = [item.path for item in items], FIRST_ONLY_S if asking.first_window_only else None
    match asking.way:
        case "write":
            answers = model.generate(audio, prompt, asking.options, hop_s=hop_s)
        case "rank":
            answers = model.rank(audio, prompt, asking.labels, hop_s=hop_s)
        case "match":
            answers = _matching(model).match(audio, prompt, asking.labels, asking.options, hop_s=hop_s)
    by_item = [[answer for answer in answers if answer.audio == index] for index in range(len(items))]
    return [_summed_up(item, said, asking.labels) for item, said in zip(items, by_item, strict=True)]


def _matching(model: Answering) -> Matching:
    if not isinstance(model, Matching):
        raise ConfigError("--by match: this model cannot tell how similar two texts are; use --by rank")
    return model


def _summed_up(item: Item, answers: Sequence[Answer], labels: Sequence[str]) -> Prediction:
    if not labels:
        surest = max(answers, key=lambda answer: answer.confidence)
        return Prediction(item, surest.text, surest.confidence)
    rows = [[(answer.scores or {})[label] for label in labels] for answer in answers]
    scores = np.mean(np.array(rows, np.float32), axis=0)
    best = int(scores.argmax())
    return Prediction(item, labels[best], float(scores[best]), scores)

"""The sounds there are words for, YAMNet's 521 classes and some more, and what the labels of data sets mean."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from pengi_stream.sounds.table import rows_of

ENDINGS = "(?:s|e|es|ed|er|ers|ing|ings|ion|ions|or|ors|le|les|led|ling)?"


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound and how English names it."""

    name: str
    """As in YAMNet's class map, for its classes"""
    label: str
    """A noun phrase: `dog barking`"""
    also: tuple[str, ...]
    """What else users call it: `hound`, `barks`"""
    clauses: tuple[str, ...]
    """Whole clauses: `a dog barks`"""
    keywords: tuple[str, ...]
    """Stems of the words by which captions name it"""
    scene: str
    """Where one hears it; may be empty"""


@dataclass(frozen=True, slots=True)
class Label:
    """What a label of a data set means: rows of `sounds.csv`, and where one would hear it."""

    name: str
    sounds: tuple[str, ...]
    scene: str


@cache
def load_sounds() -> Mapping[str, Sound]:
    """Sounds by name; the first 521 are YAMNet's classes in its order."""
    return MappingProxyType({row["name"]: _sound(row) for row in rows_of("sounds.csv")})


@cache
def load_labels() -> Mapping[str, Label]:
    """Labels by name."""
    rows = rows_of("clip_labels.csv")
    labels = {row["label"]: Label(row["label"], tuple(row["sounds"].split(";")), row["scene"]) for row in rows}
    return MappingProxyType(labels)


def _sound(row: Mapping[str, str]) -> Sound:
    also, clauses = (tuple(text for text in row[key].split(";") if text) for key in ("also", "clauses"))
    return Sound(row["name"], row["label"].lower(), also, clauses, tuple(row["keywords"].split()), row["scene"])


class SoundFinder:
    """Finds the sounds that a caption names."""

    def __init__(self, sounds: Mapping[str, Sound]) -> None:
        self._patterns = [(s.name, _pattern(s.keywords)) for s in sounds.values() if s.keywords]

    def find(self, caption: str) -> tuple[str, ...]:
        """Names of the sounds in the order in which the caption has them."""
        found = [(match.start(), name) for name, pattern in self._patterns if (match := pattern.search(caption))]
        return tuple(name for _, name in sorted(found))


def _pattern(keywords: Sequence[str]) -> re.Pattern[str]:
    words = "|".join(f"{re.escape(k)}{re.escape(k[-1])}?{ENDINGS}" for k in keywords)
    return re.compile(rf"\b(?:{words})\b", re.IGNORECASE)

"""The sounds there are words for: YAMNet's 521 classes and some more, from `sounds.csv`."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SOUNDS_FILE = Path(__file__).parent / "sounds.csv"
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


def load_sounds(path: Path = SOUNDS_FILE) -> dict[str, Sound]:
    """Sounds by name; the first 521 are YAMNet's classes in its order."""
    with path.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    return {r["name"]: _sound(r) for r in rows}


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


def load_parents(ontology: Path) -> dict[str, tuple[str, ...]]:
    """Names of each AudioSet class's ancestors, nearest first."""
    nodes = {n["id"]: n for n in json.loads(ontology.read_text(encoding="utf-8"))}
    parent_of = {child: n["name"] for n in nodes.values() for child in n["child_ids"]}
    ids = {n["name"]: n["id"] for n in nodes.values()}
    return {name: _ancestors(name, ids, parent_of) for name in ids}


def _ancestors(name: str, ids: Mapping[str, str], parent_of: Mapping[str, str]) -> tuple[str, ...]:
    line: list[str] = []
    while (parent := parent_of.get(ids[name])) is not None and parent not in line:
        line.append(parent)
        name = parent
    return tuple(line)

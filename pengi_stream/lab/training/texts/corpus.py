"""Sentences: people's captions, and templates about what could be heard."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pengi_stream.lab.clips import read_captions
from pengi_stream.lab.prompts import CAPTION
from pengi_stream.lab.training.texts.writer import Content, Text, TextWriter
from pengi_stream.sounds.words import Sound, SoundFinder, load_sounds

LONGEST_WORDS = 22
ONTOLOGY = Path("captions/audioset_ontology.json")


@dataclass(frozen=True, slots=True)
class Corpus:
    """All that is known about words."""

    sounds: Mapping[str, Sound]
    parents: Mapping[str, Sequence[str]]
    captions: Sequence[str]
    """Of people, in lower case"""
    contents: Sequence[Content]
    """Captions in which sounds were found"""
    human: Mapping[tuple[str, ...], Sequence[str]]
    """Short captions that name exactly these sounds, by their sorted names"""

    def writer(self) -> TextWriter:
        """A writer that may use people's captions."""
        return TextWriter(self.sounds, self.parents, self.human)


def read_corpus(data: Path) -> Corpus:
    """The corpus of `data`; AudioCaps' validation and test captions are left out."""
    sounds, parents = load_sounds(), load_parents(data / ONTOLOGY)
    captions = [c.lower() for c in read_captions(data, ("train",)) if len(c.split()) <= LONGEST_WORDS]
    finder = SoundFinder(sounds)
    contents: list[Content] = []
    human: dict[tuple[str, ...], list[str]] = {}
    for caption in captions:
        found = finder.find(caption)
        if not 1 <= len(found) <= 4:
            continue
        contents.append(Content(found, caption=caption))
        ancestors = {parent for name in found for parent in parents.get(name, ())}
        if len(caption.split()) <= 10:
            human.setdefault(tuple(sorted(set(found) - ancestors)), []).append(caption)
    return Corpus(sounds, parents, captions, contents, human)


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


class Sentences:
    """Draws texts for the language model."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._names = list(corpus.sounds)
        self._writer = TextWriter(corpus.sounds, corpus.parents, {})

    def caption(self, rng: np.random.Generator) -> Text:
        """A person's caption, every other time behind the prompt that asks for one."""
        caption = self._corpus.captions[int(rng.integers(len(self._corpus.captions)))]
        return Text(CAPTION if rng.random() < 0.5 else "", caption)

    def template(self, rng: np.random.Generator) -> Text:
        """A prompt and an answer about one, two or three sounds."""
        count = int(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15]))
        return self._writer.write(Content(tuple(str(n) for n in rng.choice(self._names, count, replace=False))), rng)

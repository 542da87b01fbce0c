"""When a text names a sound: by words that are listed, not by judgement."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from pengi_stream.sounds.table import rows_of
from pengi_stream.sounds.words import Sound, SoundFinder, load_sounds

NOTHING = re.compile(r"(?!)")


@dataclass(frozen=True, slots=True)
class RightWords:
    """The words by which a text is right about one label."""

    names: re.Pattern[str]
    """Of the sound itself"""
    kinds: re.Pattern[str]
    """Of what the sound is a kind of: `animal` for a dog"""

    def name(self, text: str) -> bool:
        """Does `text` name the sound?"""
        return bool(self.names.search(text.lower()))

    def name_kind(self, text: str) -> bool:
        """Does `text` name the sound, or at least its kind?"""
        return self.name(text) or bool(self.kinds.search(text.lower()))


def words_of(names: Iterable[str], kinds: Iterable[str] = ()) -> RightWords:
    """Right are whole words; `bark*` stands for every word that begins so, `_` for a space."""
    return RightWords(_pattern(names), _pattern(kinds))


@cache
def load_synonyms() -> Mapping[str, RightWords]:
    """Right words by label."""
    rows = rows_of("synonyms.csv")
    return MappingProxyType({row["label"]: words_of(row["words"].split(), row["kinds"].split()) for row in rows})


def load_paraphrases() -> dict[str, dict[str, str]]:
    """Ways to say labels, by name: how each label is said so."""
    rows = rows_of("paraphrases.csv")
    ways = [way for way in rows[0] if way != "label"]
    return {way: {row["label"]: row[way] for row in rows} for way in ways}


class Dictionary:
    """Right words for any label."""

    def __init__(self) -> None:
        self._synonyms = load_synonyms()
        self._sounds = load_sounds()

    def look_up(self, label: str) -> RightWords:
        """By the list of synonyms; else by the keywords of the sound that the label names; else the label's own words,
        any of which is right."""
        if label in self._synonyms:
            return self._synonyms[label]
        keywords = [stem for sound in self._meant(label) for stem in sound.keywords]
        return words_of(f"{stem}*" for stem in keywords or re.findall(r"[a-z]{3,}", label.lower()))

    def _meant(self, label: str) -> list[Sound]:
        exact = [s for s in self._sounds.values() if label.lower() in (s.name.lower(), s.label)]
        return exact or [self._sounds[name] for name in SoundFinder(self._sounds).find(label)]


def _pattern(words: Iterable[str]) -> re.Pattern[str]:
    escaped = [re.escape(word.lower().replace("_", " ")).replace(r"\*", "[a-z]*") for word in words]
    return re.compile(rf"\b(?:{'|'.join(escaped)})\b") if escaped else NOTHING

"""From how likely each sound is to what shall be said: one sound for sure, several at once, or what it could be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pengi_stream.lab.training.texts.writer import Content

SURE = 0.6
"""A sound that is at least so likely is said without a doubt"""
TOGETHER, PRESENT = 0.15, 0.4
"""A second sound is heard as well if it is so likely and both are so present"""
MOST, FAINT = 3, 6.0
"""So many sounds are named; none that is so many times less likely than the first"""
CLEAR = 0.1
"""Where no sound is so likely, the text says that the sound is unclear"""
VAGUE = frozenset(
    {
        "Animal",
        "Wild animals",
        "Domestic animals, pets",
        "Livestock, farm animals, working animals",
        "Vehicle",
        "Motor vehicle (road)",
        "Inside, small room",
        "Inside, large room or hall",
        "Inside, public space",
        "Outside, urban or manmade",
        "Outside, rural or natural",
        "Sound effect",
        "Noise",
        "Environmental noise",
        "Static",
        "Music",
        "Silence",
    }
)
"""Said only where nothing else is likely"""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sound that may be heard."""

    name: str
    likely: float
    """Probability"""
    present: float
    """0 to 1, by itself"""


class Kinship:
    """Which sounds are the same at another depth: a kind and what it is a kind of."""

    def __init__(self, parents: Mapping[str, Sequence[str]], words: Mapping[str, frozenset[str]]) -> None:
        """`words` that name each sound in texts."""
        self._parents = parents
        self._words = words

    def above(self, name: str, other: str) -> bool:
        """Is `name` a kind that `other` belongs to?"""
        return name in self._parents.get(other, ())

    def same(self, name: str, other: str) -> bool:
        """Would it be the same to say `name` or `other`?"""
        return self.above(name, other) or self.above(other, name) or bool(self._words[name] & self._words[other])


def content_of(candidates: Sequence[Candidate], kinship: Kinship, scene: str = "") -> Content:
    """What is to be said of `candidates`, the likeliest first."""
    families = _families(candidates, kinship)
    if not families:
        return Content((), scene)
    first, *others = families
    if first.likely >= SURE or _together(first, others):
        heard = [first.name, *(o.name for o in others if _together(first, [o]))]
        return Content(tuple(heard[:MOST]), scene)
    named = [c.name for c in families if c.likely * FAINT >= first.likely][:MOST]
    return Content((), scene, perhaps=tuple(named), clear=first.likely >= CLEAR)


def _together(first: Candidate, others: Sequence[Candidate]) -> bool:
    return any(o.likely >= TOGETHER and min(first.present, o.present) >= PRESENT for o in others)


def _families(candidates: Sequence[Candidate], kinship: Kinship) -> list[Candidate]:
    """Kin become one: the more special name where it is likely, with the sum of the probabilities."""
    found: list[Candidate] = []
    telling = [c for c in candidates if c.name not in VAGUE or c.likely >= SURE] or list(candidates)
    for candidate in telling:
        kin = next((index for index, other in enumerate(found) if kinship.same(candidate.name, other.name)), None)
        if kin is None:
            found.append(candidate)
            continue
        other = found[kin]
        special = kinship.above(other.name, candidate.name) and candidate.likely * 2 >= other.likely
        name = candidate.name if special else other.name
        found[kin] = Candidate(name, candidate.likely + other.likely, max(candidate.present, other.present))
    return sorted(found, key=lambda c: -c.likely)

"""What the model is to say: a prompt and its answer for the sounds in a window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pengi_stream.lab.prompts import CAPTION, EVENTS, QUESTION, SCENE, TAGS
from pengi_stream.sounds.words import Sound

WHAT = ("what is making the sound?", "what is making the sound?", "what sound is this?", "what can be heard?")
HOW_MANY = ("how many different sounds are there?", "how many sounds are there?", "how many sounds can be heard?")
IS_THERE = ("is there {}?", "is there {}?", "is there a {}?", "is there the sound of {}?", "do you hear {}?")
DETERMINERS = ("a ", "the ", "my ", "our ", "my neighbour's ")
NUMBERS = ("none", "one", "two", "three")

JOINTS = (" and ", " while ", " as ", ", and ")
ALTERNATIVES = (", or perhaps ", ", perhaps ", " or ", ", ")
"""What stands between things of which one is meant, or of a list"""
SILENCE = "Silence"
NOTHING = "an unclear sound"
UNCLEAR_SCENE = "unclear"


@dataclass(frozen=True, slots=True)
class Content:
    """What is in a window: sounds, the loudest first, where that is known its scene, and a caption by a person."""

    sounds: tuple[str, ...]
    """Those that are heard for sure"""
    scene: str = ""
    caption: str = ""
    perhaps: tuple[str, ...] = ()
    """Where none is sure: what it could be, the likeliest first"""
    clear: bool = True
    """Whether the first of these is at all likely"""

    @property
    def named(self) -> tuple[str, ...]:
        return self.sounds or self.perhaps


@dataclass(frozen=True, slots=True)
class Text:
    """A prompt and what the model is to answer."""

    prompt: str
    answer: str


class TextWriter:
    """Writes texts about contents; all randomness comes from the generator that it is given."""

    def __init__(
        self,
        sounds: Mapping[str, Sound],
        parents: Mapping[str, Sequence[str]],
        human: Mapping[tuple[str, ...], Sequence[str]],
    ) -> None:
        self._sounds = sounds
        self._parents = parents
        self._human = human
        self._names = list(sounds)

    def write(self, content: Content, rng: np.random.Generator) -> Text:
        """One of the texts that are true of `content`."""
        draw = rng.random()
        if draw < 0.31:
            return Text(CAPTION, self.caption(content, rng))
        if draw < 0.54:
            return Text(EVENTS, self.events(content))
        if draw < 0.6:
            return Text(TAGS, self.tags(content))
        if draw < 0.66:
            return Text(SCENE, self._scene(content))
        return self._question(content, rng)

    def caption(self, content: Content, rng: np.random.Generator) -> str:
        """A sentence: a person's where there is one, else the sounds' clauses joined."""
        if content.caption:
            return content.caption.lower()
        human = self._human.get(tuple(sorted(content.sounds)), ())
        if human and rng.random() < 0.2:
            return str(human[int(rng.integers(len(human)))]).lower()
        if not content.sounds:
            return self._doubt(content).lower()
        clauses = [self._clause(name, rng) for name in content.sounds]
        text = clauses[0]
        for clause in clauses[1:]:
            text += str(rng.choice(JOINTS)) + clause
        return text.lower()

    def _doubt(self, content: Content) -> str:
        """What it could be."""
        clauses = dict.fromkeys(self._sounds[name].clauses[0] for name in content.perhaps)
        first, *others = list(clauses) or [NOTHING]
        if not content.clear:
            return f"{NOTHING}, perhaps {' or '.join((first, *others))}"
        return f"{first}, or perhaps {' or '.join(others)}" if others else f"perhaps {first}"

    def _clause(self, name: str, rng: np.random.Generator) -> str:
        clauses = self._sounds[name].clauses
        weights = np.array([2.0] + [1.0] * (len(clauses) - 1))
        return clauses[int(rng.choice(len(clauses), p=weights / weights.sum()))]

    def events(self, content: Content) -> str:
        """Labels, comma-separated, each once."""
        labels = list(dict.fromkeys(self._sounds[name].label for name in content.named)) or [NOTHING]
        return ", ".join(labels) if content.sounds else f"perhaps {' or '.join(labels)}"

    def wording(self, name: str, rng: np.random.Generator) -> str:
        """What a user may call the sound: mostly its label; else another word, its class, a clause, or what it is a
        kind of."""
        sound, draw = self._sounds[name], rng.random()
        if draw < 0.34:
            return sound.label
        if draw < 0.68:
            return str(rng.choice(sound.also or (sound.label,)))
        if draw < 0.76:
            return str(rng.choice(name.lower().split(", ")))
        if draw < 0.85:
            return self._clause(name, rng)
        if draw < 0.93:
            return str(rng.choice(DETERMINERS)) + sound.label
        kinds = [self._sounds[p].label for p in self._parents.get(name, ())[:1] if p in self._sounds]
        return (kinds or [sound.label])[0]

    def tags(self, content: Content) -> str:
        """Labels and what they are kinds of."""
        names = list(content.named)
        names += [p for name in content.named for p in self._parents.get(name, ())[:2] if p in self._sounds]
        return ", ".join(dict.fromkeys(self._sounds[name].label for name in names)) or NOTHING

    def _scene(self, content: Content) -> str:
        known = content.scene or next((s for name in content.sounds if (s := self._sounds[name].scene)), "")
        return known or UNCLEAR_SCENE

    def _question(self, content: Content, rng: np.random.Generator) -> Text:
        draw = rng.random()
        if draw < 0.12:
            return Text(QUESTION + str(rng.choice(WHAT)), self.events(content))
        if draw < 0.27 and content.sounds and not content.caption:
            count = 0 if content.sounds == (SILENCE,) else len(content.sounds)
            return Text(QUESTION + str(rng.choice(HOW_MANY)), NUMBERS[min(count, 3)])
        kinds = self._kinds(content.named)
        if draw < 0.64 and kinds:
            sure = bool(content.sounds) or rng.random() < LISTED_IS_HEARD
            return self._is_there(str(rng.choice(kinds)), "yes" if sure else "no", rng)
        return self._is_there(self._other(kinds, rng), "no", rng)

    def _kinds(self, names: Sequence[str]) -> list[str]:
        """`names` and all that they are kinds of."""
        return [name for name in self._names if any(name == n or name in self._parents.get(n, ()) for n in names)]

    def _other(self, kinds: Sequence[str], rng: np.random.Generator) -> str:
        """A sound that is none of `kinds`, often one that is like them."""
        labels = {self._sounds[name].label for name in kinds}
        others = [n for n in self._names if n not in kinds and self._sounds[n].label not in labels]
        parents = {parent for name in kinds for parent in self._parents.get(name, ())[:1]}
        like = [n for n in others if parents.intersection(self._parents.get(n, ())[:1])]
        return str(rng.choice(like if like and rng.random() < NEAR_MISS else others))

    def _is_there(self, name: str, answer: str, rng: np.random.Generator) -> Text:
        sound = self._sounds[name]
        words = str(rng.choice(sound.also)) if sound.also and rng.random() < OTHER_WORDS else sound.label
        return Text(QUESTION + str(rng.choice(IS_THERE)).format(words), answer)


OTHER_WORDS = 0.2
"""How often a question asks by another word than the label"""
LISTED_IS_HEARD = 0.7
"""How often a sound that could be heard is said to be there"""
NEAR_MISS = 0.3
"""How often a sound that is not there is of the kind of one that is"""

"""What the model is to say: a prompt and its answer for the sounds in a window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pengi_stream.training.sounds import Sound

CAPTION = "generate audio caption"
TAGS = "generate metadata"
EVENTS = "this is a sound of"
SCENE = "this acoustic scene is"
QUESTION = "question: "

JOINTS = (" and ", " while ", " as ", ", and ")
SILENCE = "Silence"


@dataclass(frozen=True, slots=True)
class Content:
    """What is in a window: sounds, the loudest first, where that is known its scene, and a caption by a person."""

    sounds: tuple[str, ...]
    scene: str = ""
    caption: str = ""


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
        if draw < 0.5:
            return Text(CAPTION, self.caption(content, rng))
        if draw < 0.75:
            return Text(EVENTS, self.events(content))
        if draw < 0.82:
            return Text(TAGS, self.tags(content))
        if draw < 0.9 and (scene := self._scene(content)):
            return Text(SCENE, scene)
        return self._question(content, rng)

    def caption(self, content: Content, rng: np.random.Generator) -> str:
        """A sentence: a person's where there is one, else the sounds' clauses joined."""
        if content.caption:
            return content.caption.lower()
        human = self._human.get(tuple(sorted(content.sounds)), ())
        if human and rng.random() < 0.2:
            return str(human[int(rng.integers(len(human)))]).lower()
        clauses = [self._clause(name, rng) for name in content.sounds]
        text = clauses[0]
        for clause in clauses[1:]:
            text += str(rng.choice(JOINTS)) + clause
        return text.lower()

    def _clause(self, name: str, rng: np.random.Generator) -> str:
        clauses = self._sounds[name].clauses
        weights = np.array([2.0] + [1.0] * (len(clauses) - 1))
        return clauses[int(rng.choice(len(clauses), p=weights / weights.sum()))]

    def events(self, content: Content) -> str:
        """Labels, comma-separated, each once."""
        return ", ".join(dict.fromkeys(self._sounds[name].label for name in content.sounds))

    def tags(self, content: Content) -> str:
        """Labels and what they are kinds of."""
        names = list(content.sounds)
        names += [p for name in content.sounds for p in self._parents.get(name, ())[:2] if p in self._sounds]
        return ", ".join(dict.fromkeys(self._sounds[name].label for name in names))

    def _scene(self, content: Content) -> str:
        return content.scene or next((s for name in content.sounds if (s := self._sounds[name].scene)), "")

    def _question(self, content: Content, rng: np.random.Generator) -> Text:
        draw = rng.random()
        if draw < 0.25:
            return Text(QUESTION + "what is making the sound?", self._sounds[content.sounds[0]].label)
        if draw < 0.35 and not content.caption:
            count = 0 if content.sounds == (SILENCE,) else len(content.sounds)
            return Text(
                QUESTION + "how many different sounds are there?", ("none", "one", "two", "three")[min(count, 3)]
            )
        related = {p for name in content.sounds for p in (name, *self._parents.get(name, ()))}
        if draw < 0.7:
            true = [name for name in self._names if name in related]
            label = self._sounds[str(rng.choice(true))].label
            return Text(f"{QUESTION}is there {label}?", "yes")
        label = self._sounds[str(rng.choice([n for n in self._names if n not in related]))].label
        return Text(f"{QUESTION}is there {label}?", "no")

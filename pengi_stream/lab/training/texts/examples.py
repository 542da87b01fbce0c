"""Training batches: listings of what is heard, and a text for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from pengi_stream.lab.prompts import EVENTS
from pengi_stream.lab.training.texts.hearing import Candidate, Kinship, content_of
from pengi_stream.lab.training.texts.vocabulary import end_id
from pengi_stream.lab.training.texts.writer import Content, Text, TextWriter
from pengi_stream.models.pengi.audio.listener import LEAST, Heard, Listing, level

IGNORED = -100
MAX_TOKENS = 48


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Texts as the language model takes them, padded on the right."""

    ids: Tensor  # (batch, tokens)
    targets: Tensor  # (batch, tokens): the same ids, IGNORED where nothing is learnt


@dataclass(frozen=True, slots=True)
class Example:
    """A batch for the joint training."""

    listing: Listing
    tokens: TokenBatch


def encode_texts(texts: Sequence[Text], tokenizer: Tokenizer) -> TokenBatch:
    """Prompt, answer and end of each text; only answer and end are learnt (all of a text without a prompt)."""
    end = end_id(tokenizer)
    prompts = [tokenizer.encode(t.prompt).ids if t.prompt else [] for t in texts]
    answers = [tokenizer.encode(t.answer).ids for t in texts]
    rows = [(p + a + [end])[:MAX_TOKENS] for p, a in zip(prompts, answers, strict=True)]
    ids = torch.full((len(rows), max(map(len, rows))), end)
    targets = torch.full_like(ids, IGNORED)
    for index, (row, prompt) in enumerate(zip(rows, prompts, strict=True)):
        ids[index, : len(row)] = torch.tensor(row)
        targets[index, len(prompt) : len(row)] = torch.tensor(row[len(prompt) :])
    return TokenBatch(ids, targets)


@dataclass(frozen=True, slots=True)
class Shares:
    """How a batch is made up."""

    windows: int = 20
    imagined: int = 44
    captions: int = 8
    no_audio: float = 0.06


@dataclass(frozen=True, slots=True)
class RealWindows:
    """What is heard in windows of recordings: by all that was learnt, and by YAMNet's scores alone."""

    heard: tuple[Heard, Heard]
    scenes: Sequence[str]


class ExampleMaker:
    """Makes the batch of each step, always the same for the same seed and step.

    What the listener hears in a window fixes what is to be said of it. Most windows have their sounds exchanged for
    others at random, so that every sound can be said.
    """

    def __init__(
        self,
        real: RealWindows,
        captions: Sequence[Content],
        writer: TextWriter,
        kinship: Kinship,
        names: Sequence[str],
        listed: int,
    ) -> None:
        """`captions` have sounds that were found in a person's caption; `listed` sounds at most are told."""
        self._listed = listed
        self._scenes = real.scenes
        self._heard = [_listed(heard, listed) for heard in real.heard]
        self._captions = captions
        self._writer = writer
        self._kinship = kinship
        self._names = list(names)
        self._index = {name: index for index, name in enumerate(names)}
        self._kin = [[i for i, other in enumerate(names) if other != n and kinship.same(n, other)] for n in names]

    def make(self, step: int, seed: int, shares: Shares, tokenizer: Tokenizer) -> Example:
        """The batch of `step`."""
        rng = np.random.default_rng((seed, step))
        made = [self._window(rng, exchanged=False) for _ in range(shares.windows)]
        made += [self._window(rng, exchanged=True) for _ in range(shares.imagined)]
        made += [self._caption(rng) for _ in range(shares.captions)]
        told = [candidates if rng.random() >= shares.no_audio else [] for candidates, _ in made]
        texts = [self._text(candidates, content, rng) for candidates, content in made]
        return Example(self._listing(told), encode_texts(texts, tokenizer))

    def _text(self, candidates: Sequence[Candidate], content: Content, rng: np.random.Generator) -> Text:
        text = self._writer.write(content, rng)
        if candidates and text.prompt == EVENTS and rng.random() < ONE_SOUND:
            likely = np.array([c.likely for c in candidates])
            name = candidates[int(rng.choice(len(candidates), p=likely / likely.sum()))].name
            return Text(EVENTS, self._writer.wording(name, rng))
        return text

    def _window(self, rng: np.random.Generator, *, exchanged: bool) -> tuple[list[Candidate], Content]:
        names, likely, present = self._heard[int(rng.random() < ONLY_SCORES)]
        row = int(rng.integers(len(names)))
        other = self._exchanged(names.shape[1], rng) if exchanged else names[row]
        rows = zip(other.tolist(), likely[row].tolist(), present[row].tolist(), strict=True)
        candidates = [Candidate(self._names[index], p, q) for index, p, q in rows if p > LEAST]
        return candidates, content_of(candidates, self._kinship, "" if exchanged else self._scenes[row])

    def _exchanged(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Sounds drawn at random, and often others that are said like the first, as they are heard together."""
        drawn = rng.choice(len(self._names), count, replace=False)
        kin = self._kin[int(drawn[0])]
        if kin and rng.random() < WITH_KIN:
            some = rng.choice(kin, min(len(kin), int(rng.integers(1, MOST_KIN + 1))), replace=False)
            others = [index for index in drawn[1:].tolist() if index not in some]
            places = np.sort(rng.choice(count - 1, min(len(some), count - 1), replace=False))
            for place, index in zip(places.tolist(), some.tolist(), strict=False):
                others.insert(place, index)
            drawn = np.asarray([int(drawn[0]), *others[: count - 1]])
        return np.asarray(drawn)

    def _caption(self, rng: np.random.Generator) -> tuple[list[Candidate], Content]:
        """Sounds of a person's caption, as if the listener had heard them."""
        content = self._captions[int(rng.integers(len(self._captions)))]
        names = [name for name in dict.fromkeys(content.sounds) if name in self._index]
        shares = rng.dirichlet(np.linspace(8, 4, len(names))) * rng.uniform(0.6, 0.98)
        heard = [Candidate(n, float(p), float(rng.uniform(0.4, 1))) for n, p in zip(names, shares, strict=True)]
        others = [str(n) for n in rng.choice(self._names, int(rng.integers(4)), replace=False) if n not in names]
        heard += [Candidate(n, float(rng.uniform(LEAST, 0.08)), float(rng.uniform(0, 0.2))) for n in others]
        return sorted(heard, key=lambda c: -c.likely), replace(content, sounds=tuple(names))

    def _listing(self, heard: Sequence[Sequence[Candidate]]) -> Listing:
        sounds = torch.zeros(len(heard), self._listed, dtype=torch.long)
        likely, present = torch.zeros(len(heard), self._listed), torch.zeros(len(heard), self._listed)
        for row, candidates in enumerate(heard):
            for place, candidate in enumerate(candidates[: self._listed]):
                sounds[row, place] = self._index[candidate.name]
                likely[row, place], present[row, place] = candidate.likely, candidate.present
        return Listing(sounds, level(likely), present)


ONE_SOUND = 0.5
"""How often an answer about events is one sound, drawn by how likely it is: labels are ranked by it"""
WITH_KIN, MOST_KIN = 0.5, 3
"""How often exchanged sounds have kin of the first among them, and how many at most"""
ONLY_SCORES = 0.5
"""How often a window is heard as if it were near to no recording"""


def _listed(heard: Heard, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """The likeliest sounds of each window, their probabilities and presence: (windows, count) each."""
    likely, names = heard.likely.topk(count, dim=1)
    return names.numpy(), likely.numpy(), heard.present.gather(1, names).numpy()

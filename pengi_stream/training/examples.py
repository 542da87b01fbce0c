"""Training batches: features of real and simulated windows, and a text for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from pengi_stream.training.simulate import Patches, Simulator
from pengi_stream.training.texts import Content, Text, TextWriter
from pengi_stream.training.vocabulary import end_id

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

    features: Tensor  # (batch, features)
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

    real: int = 44
    simulated: int = 14
    captions: int = 6

    @property
    def total(self) -> int:
        return self.real + self.simulated + self.captions


@dataclass(frozen=True, slots=True)
class RealWindows:
    """Windows of recordings."""

    features: Tensor  # (windows, features)
    contents: Sequence[Content]
    emphasis: Sequence[float]
    """How much more often than others a window is drawn"""


class ExampleMaker:
    """Makes the batch of each step, always the same for the same seed and step."""

    def __init__(
        self,
        real: RealWindows,
        captions: Sequence[Content],
        simulator: Simulator,
        writer: TextWriter,
        class_index: Mapping[str, int],
        pool: Callable[[Patches], Tensor],
    ) -> None:
        """`captions` have sounds that were found in a person's caption; `pool` makes features of patches."""
        self._real = real
        self._weights = _balance(real)
        self._captions = captions
        self._simulator = simulator
        self._writer = writer
        self._class_index = class_index
        self._pool = pool
        self._names = list(class_index)

    def make(self, step: int, seed: int, shares: Shares, tokenizer: Tokenizer) -> Example:
        """The batch of `step`."""
        features, contents = self.windows(step, seed, shares)
        rng = np.random.default_rng((seed, step, 1))
        return Example(features, encode_texts([self._writer.write(c, rng) for c in contents], tokenizer))

    def windows(self, step: int, seed: int, shares: Shares) -> tuple[Tensor, list[Content]]:
        """The windows of `step`, (batch, features), and what is in each."""
        rng = np.random.default_rng((seed, step))
        rows = torch.from_numpy(rng.choice(len(self._real.contents), shares.real, p=self._weights))
        contents = [self._real.contents[int(row)] for row in rows]
        imagined = [self._imagine(rng) for _ in range(shares.simulated)]
        imagined += [self._captions[int(rng.integers(len(self._captions)))] for _ in range(shares.captions)]
        classes = [[self._class_index[s] for s in c.sounds if s in self._class_index] for c in imagined]
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        simulated = self._pool(self._simulator(classes, generator))
        return torch.cat((self._real.features[rows], simulated)), contents + imagined

    def _imagine(self, rng: np.random.Generator) -> Content:
        count = 1 if rng.random() < 0.7 else 2
        return Content(tuple(str(n) for n in rng.choice(self._names, count, replace=False)))


def _balance(real: RealWindows) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """A window's chance to be drawn: less for sounds of which there are many windows."""
    counts = Counter(content.sounds for content in real.contents)
    weights = np.array([counts[content.sounds] ** -0.3 for content in real.contents]) * np.array(real.emphasis)
    return np.asarray(weights / weights.sum())

"""What is said of a site's own sounds: prefixes and language model learn the captions, and what was said of other
sounds stays, since the language model as it was goes on teaching it (self-distillation)."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from pengi_stream.lab.prompts import CAPTION, EVENTS, QUESTION, SCENE, TAGS
from pengi_stream.lab.training.finetune.clips import CaptionedClip
from pengi_stream.lab.training.language import text_loss
from pengi_stream.lab.training.loop import Schedule, train
from pengi_stream.lab.training.texts.examples import IGNORED, TokenBatch, encode_texts
from pengi_stream.lab.training.texts.vocabulary import end_id
from pengi_stream.lab.training.texts.writer import Text
from pengi_stream.models.pengi.decoding.decode import decode
from pengi_stream.models.pengi.text.context import read
from pengi_stream.models.pengi.text.language_model import LanguageModel
from pengi_stream.options import DecodingOptions
from pengi_stream.sounds.words import load_sounds

OWN, KEPT = 16, 24  # texts of a batch
PULL = 40.0
"""Of what was said before, against what is learnt"""
LEARNING_RATE = 3e-4
REACH = 330.0
"""How much faster than the language model's weights the prefixes learn"""
OPTIONS = DecodingOptions(max_new_tokens=20)
PROMPTS = (CAPTION, CAPTION, EVENTS, EVENTS, TAGS, SCENE, f"{QUESTION}what is making the sound?")


class Speech(nn.Module):
    """What is trained."""

    def __init__(self, language_model: LanguageModel, captions: int, size: int) -> None:
        super().__init__()
        self.layers = language_model.h
        self.scaled = nn.Parameter(torch.zeros(captions, size))

    @property
    def added(self) -> Tensor:
        """What each caption's detector adds to the prefix: (captions, prefix_length * width)."""
        return self.scaled * REACH


class Memory:
    """What a language model says behind prefixes, to be kept."""

    def __init__(self, model: LanguageModel, tokenizer: Tokenizer, prefixes: Tensor, seed: int) -> None:
        """`prefixes` (windows, length, width) of other sounds, and of no audio.

        Every other text is one that the model said, the others are any sounds' names: labels are ranked by the
        likelihood of what the model would not say.
        """
        self._model = deepcopy(model).requires_grad_(requires_grad=False)
        self._tokenizer = tokenizer
        self._prefixes = prefixes
        rng = np.random.default_rng(seed)
        sounds = list(load_sounds().values())
        asked = [*PROMPTS, *(f"{QUESTION}is there {sound.label}?" for sound in sounds[::250])]
        self._texts = self._said([asked[int(index)] for index in rng.integers(len(asked), size=len(prefixes))])
        for row in range(1, len(prefixes), 2):
            sound = sounds[int(rng.integers(len(sounds)))]
            self._texts[row] = Text(EVENTS, sound.label) if row % 4 == 1 else Text(CAPTION, sound.clauses[0])

    def loss(self, model: LanguageModel, rng: np.random.Generator) -> Tensor:
        """How far `model` is from saying the same: Kullback-Leibler divergence, mean over tokens."""
        rows = rng.integers(len(self._texts), size=KEPT)
        batch = encode_texts([self._texts[row] for row in rows], self._tokenizer)
        with torch.no_grad():
            before = _logprobs(self._model, self._prefixes[rows], batch)
        now = _logprobs(model, self._prefixes[rows], batch)
        return functional.kl_div(now, before, log_target=True, reduction="batchmean")

    @torch.no_grad()
    def _said(self, prompts: Sequence[str]) -> list[Text]:
        texts: list[Text | None] = [None] * len(prompts)
        for prompt in dict.fromkeys(prompts):
            rows = [row for row, other in enumerate(prompts) if other == prompt]
            for row, answer in zip(rows, self._answers(prompt, self._prefixes[rows]), strict=True):
                texts[row] = Text(prompt, answer)
        return [text for text in texts if text is not None]

    def _answers(self, prompt: str, prefixes: Tensor) -> list[str]:
        stop = end_id(self._tokenizer)
        tokens = torch.tensor(self._tokenizer.encode(prompt).ids)
        asked = torch.cat((prefixes, self._model.embed(tokens).expand(len(prefixes), -1, -1)), dim=1)
        context = read(self._model, asked, torch.full((len(asked),), asked.shape[1]))
        decoded = decode(self._model, context, OPTIONS, stop)
        rows = zip(decoded.tokens[:, 0].tolist(), decoded.lengths[:, 0].tolist(), strict=True)
        return [
            self._tokenizer.decode([token for token in row[:length] if token != stop]).strip() for row, length in rows
        ]


def learn(
    model: LanguageModel,
    memory: Memory,
    windows: tuple[Tensor, Tensor],
    spoken: Sequence[CaptionedClip],
    tokenizer: Tokenizer,
    steps: int,
    seed: int,
) -> Tensor:
    """Train `model` on `windows`, their prefixes (windows, length, width) and how high the captions' detectors rise,
    (windows, captions), until what is `spoken` is said; what the detectors add, (captions, length * width)."""
    prefixes, heights = windows
    model.requires_grad_(requires_grad=False)
    speech = Speech(model, heights.shape[1], prefixes[0].numel())
    speech.requires_grad_(requires_grad=True)

    def loss_of(step: int) -> Tensor:
        rng = np.random.default_rng((seed, step))
        rows = rng.integers(len(spoken), size=OWN)
        texts = encode_texts([spoken[row].text(rng) for row in rows], tokenizer)
        own = prefixes[rows] + (heights[rows] @ speech.added).view(OWN, *prefixes.shape[1:])
        learnt = text_loss(model, own, texts)
        return learnt + PULL * memory.loss(model, rng)

    schedule = Schedule(steps, LEARNING_RATE, warmup_steps=10, weight_decay=0.0)
    with TemporaryDirectory() as folder:
        train(speech, loss_of, schedule, Path(folder) / "speech.pt")
    return speech.added.detach()


def _logprobs(model: LanguageModel, prefixes: Tensor, batch: TokenBatch) -> Tensor:
    """(learnt tokens, vocabulary)."""
    hidden = model(torch.cat((prefixes, model.embed(batch.ids[:, :-1])), dim=1))[:, prefixes.shape[1] - 1 :]
    logprobs: Tensor = model.logits(hidden[batch.targets != IGNORED]).log_softmax(dim=-1)
    return logprobs

"""The language model's own training, before it hears anything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from pengi_stream.lab.training.loop import Schedule, train
from pengi_stream.lab.training.texts.corpus import Corpus, Sentences
from pengi_stream.lab.training.texts.examples import IGNORED, TokenBatch, encode_texts
from pengi_stream.lab.training.texts.vocabulary import train_vocabulary
from pengi_stream.models.pengi.config import LanguageModelConfig
from pengi_stream.models.pengi.text.language_model import LanguageModel

VOCABULARY = 4096
CAPTIONS, TEMPLATES = 56, 8  # of a batch


def make_vocabulary(corpus: Corpus, seed: int, templates: int = 30_000, size: int = VOCABULARY) -> Tokenizer:
    """The vocabulary of captions and templates."""
    rng, sentences = np.random.default_rng(seed), Sentences(corpus)
    texts = [sentences.template(rng) for _ in range(templates)]
    return train_vocabulary([*corpus.captions, *(t.prompt for t in texts), *(t.answer for t in texts)], size)


def new_language_model(config: LanguageModelConfig) -> LanguageModel:
    """A language model with GPT-2's initial weights."""
    model = LanguageModel(config.vocabulary, config.positions, config.width, config.layers, config.heads)
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
    return model


def train_language_model(
    model: LanguageModel, corpus: Corpus, tokenizer: Tokenizer, schedule: Schedule, checkpoint: Path, seed: int
) -> None:
    """Train `model` on sentences; see `loop.train` for the checkpoint."""
    sentences = Sentences(corpus)

    def loss_of(step: int) -> Tensor:
        rng = np.random.default_rng((seed, step))
        texts = [sentences.caption(rng) for _ in range(CAPTIONS)] + [sentences.template(rng) for _ in range(TEMPLATES)]
        batch = encode_texts(texts, tokenizer)
        return text_loss(model, model.embed(batch.ids[:, :1]), TokenBatch(batch.ids[:, 1:], batch.targets[:, 1:]))

    train(model, loss_of, schedule, checkpoint)


def text_loss(model: LanguageModel, prefix: Tensor, batch: TokenBatch, smoothing: float = 0.0) -> Tensor:
    """Mean cross entropy of the learnt tokens behind `prefix` (batch, length, width); each text counts as much."""
    embeddings = torch.cat((prefix, model.embed(batch.ids[:, :-1])), dim=1)
    hidden = model(embeddings)[:, prefix.shape[1] - 1 :]
    learnt = batch.targets != IGNORED
    losses = functional.cross_entropy(
        model.logits(hidden[learnt]), batch.targets[learnt], label_smoothing=smoothing, reduction="none"
    )
    shares = (learnt / learnt.sum(dim=1, keepdim=True).clamp(min=1))[learnt]
    return (losses * shares).sum() / len(learnt)

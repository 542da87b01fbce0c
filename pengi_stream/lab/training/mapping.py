"""The joint training: mapper and language model learn to say what the listener hears."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from pengi_stream.lab.training.language import text_loss
from pengi_stream.lab.training.loop import Schedule, train
from pengi_stream.lab.training.texts.examples import ExampleMaker, Shares
from pengi_stream.models.pengi.audio.listener import SoundMapper
from pengi_stream.models.pengi.text.language_model import LanguageModel

SMOOTHING = 0.01


class Speaker(nn.Module):
    """What is trained together."""

    def __init__(self, mapper: SoundMapper, language_model: LanguageModel) -> None:
        super().__init__()
        self.mapper = mapper
        self.language_model = language_model


def set_names(mapper: SoundMapper, language_model: LanguageModel, labels: Sequence[str], tokenizer: Tokenizer) -> None:
    """Begin with names that are like the words of their labels, so that a label in a prompt finds its sound."""
    with torch.no_grad():
        for row, label in zip(mapper.names.weight, labels, strict=True):
            row.copy_(language_model.wte.weight[tokenizer.encode(label).ids].sum(dim=0))


def train_speaking(
    speaker: Speaker, maker: ExampleMaker, tokenizer: Tokenizer, schedule: Schedule, checkpoint: Path, seed: int
) -> None:
    """Train what tells the sounds, and the language model, on prompts and answers; the listener stays as it is."""
    speaker.mapper.listener.requires_grad_(requires_grad=False)

    def loss_of(step: int) -> Tensor:
        example = maker.make(step, seed, Shares(), tokenizer)
        prefix = functional.dropout(speaker.mapper.told(example.listing), 0.05)
        return text_loss(speaker.language_model, prefix, example.tokens, smoothing=SMOOTHING)

    train(speaker, loss_of, schedule, checkpoint)

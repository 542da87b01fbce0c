"""The mapper's training: first its hidden layer on naming sounds, then all of it together with the language model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from pengi_stream.models.pengi.language_model import LanguageModel
from pengi_stream.models.pengi.mapper import MlpMapper
from pengi_stream.models.pengi.yamnet import EMBEDDING_SIZE
from pengi_stream.training.examples import ExampleMaker, Shares
from pengi_stream.training.language import text_loss
from pengi_stream.training.loop import Schedule, train

EMBEDDINGS = slice(0, 2 * EMBEDDING_SIZE)
LOGITS = slice(2 * EMBEDDING_SIZE, None)
NO_AUDIO, NO_EMBEDDINGS, NO_LOGITS = 0.06, 0.2, 0.1
"""How often the mapper gets nothing, no embeddings, no logits"""
SOFTER = 0.7
"""Weight of a sound that is not the loudest"""


def standardise(mapper: MlpMapper, features: Tensor) -> None:
    """Set the mapper's mean and deviation to those of the training windows' `features` (windows, features)."""
    mapper.mean.copy_(features.mean(dim=0))
    mapper.deviation.copy_(features.std(dim=0) + 0.1)


def hide(standardised: Tensor, dropout: float, *, all_of_it: float = NO_AUDIO) -> Tensor:
    """Features with parts left out, so that the mapper learns to do with what there is."""
    features = standardised.clone()
    features[torch.rand(len(features)) < all_of_it] = 0
    for part, share in ((EMBEDDINGS, NO_EMBEDDINGS), (LOGITS, NO_LOGITS)):
        features[torch.rand(len(features)) < share, part] = 0
    return functional.dropout(features, dropout)


class Namer(nn.Module):
    """The mapper's hidden layer and a classifier of sounds on it, which is thrown away afterwards."""

    def __init__(self, mapper: MlpMapper, names: Sequence[str]) -> None:
        super().__init__()
        self.hidden = mapper.linear1
        self.classifier = nn.Linear(mapper.linear1.out_features, len(names))
        self._index = {name: index for index, name in enumerate(names)}

    def loss(self, features: Tensor, sounds: Sequence[Sequence[str]]) -> Tensor:
        """Cross entropy with the sounds of each window, the loudest counting most."""
        logits = self.classifier(functional.gelu(self.hidden(features)))
        return functional.cross_entropy(logits, self._targets(sounds))

    def _targets(self, sounds: Sequence[Sequence[str]]) -> Tensor:
        targets = torch.zeros(len(sounds), len(self._index))
        for row, names in zip(targets, sounds, strict=True):
            for rank, name in enumerate(names):
                row[self._index[name]] = SOFTER if rank else 1.0
        return targets / targets.sum(dim=1, keepdim=True)


def train_naming(
    mapper: MlpMapper, names: Sequence[str], maker: ExampleMaker, schedule: Schedule, checkpoint: Path, seed: int
) -> None:
    """Train the mapper's hidden layer to tell the sounds apart: cheap, since no text is written."""
    namer = Namer(mapper, names)

    def loss_of(step: int) -> Tensor:
        features, contents = maker.windows(step, seed, Shares(real=128, simulated=128, captions=0))
        standardised = (features - mapper.mean) / mapper.deviation
        return namer.loss(hide(standardised, 0.2, all_of_it=0.0), [c.sounds for c in contents])

    train(namer, loss_of, schedule, checkpoint)


class Speaker(nn.Module):
    """What is trained together."""

    def __init__(self, mapper: MlpMapper, language_model: LanguageModel) -> None:
        super().__init__()
        self.mapper = mapper
        self.language_model = language_model


def train_speaking(
    speaker: Speaker, maker: ExampleMaker, tokenizer: Tokenizer, schedule: Schedule, checkpoint: Path, seed: int
) -> None:
    """Train mapper and language model on windows, prompts and answers."""

    def loss_of(step: int) -> Tensor:
        example = maker.make(step, seed, Shares(), tokenizer)
        standardised = (example.features - speaker.mapper.mean) / speaker.mapper.deviation
        prefix = speaker.mapper.mapped(hide(standardised, 0.1))
        return text_loss(speaker.language_model, prefix, example.tokens, smoothing=0.02)

    train(speaker, loss_of, schedule, checkpoint)

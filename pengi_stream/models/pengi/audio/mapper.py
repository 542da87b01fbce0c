"""Patches -> features -> a prefix of the language model, for small models."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pengi_stream.models.pengi.audio.yamnet import CLASSES, EMBEDDING_SIZE, SILENCE, Yamnet

FEATURES = 2 * (EMBEDDING_SIZE + CLASSES)  # 3090
MAX_LOGIT = 9.21  # of a score of 0.9999


def pool(embeddings: Tensor, logits: Tensor) -> Tensor:
    """Mean and maximum over the patches of a window, of embeddings and class logits.

    Patches that are silent count only where all are.
    (batch, patches, 1024), (batch, patches, 521) -> (batch, FEATURES).
    """
    silent = logits[:, :, SILENCE] > 0
    heard = (~silent | silent.all(dim=1, keepdim=True))[:, :, None]
    pooled = []
    for values in (embeddings, logits.clamp(-MAX_LOGIT, MAX_LOGIT)):
        pooled.append((values * heard).sum(dim=1) / heard.sum(dim=1))
        pooled.append(values.masked_fill(~heard, -torch.inf).amax(dim=1))
    return torch.cat(pooled, dim=-1)


class YamnetEncoder(nn.Module):
    """Samples of one window -> features."""

    def __init__(self) -> None:
        super().__init__()
        self.yamnet = Yamnet()

    def forward(self, samples: Tensor) -> Tensor:
        """(batch, samples) -> (batch, FEATURES)."""
        return pool(*self.yamnet(samples))


class MlpMapper(nn.Module):
    """Features -> a prefix, through one hidden layer."""

    mean: Tensor  # (features,) over the training windows
    deviation: Tensor  # (features,)

    def __init__(self, features: int, hidden: int, prefix_length: int, width: int) -> None:
        super().__init__()
        self.prefix_length = prefix_length
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))
        self.linear1 = nn.Linear(features, hidden)
        self.linear2 = nn.Linear(hidden, prefix_length * width)

    def forward(self, features: Tensor) -> Tensor:
        """(batch, features) -> (batch, prefix_length, width)."""
        return self.mapped(self.embedding(features))

    def embedding(self, features: Tensor) -> Tensor:
        """What is mapped: features (batch, features), standardized over the training windows."""
        return (features - self.mean) / self.deviation

    def mapped(self, standardized: Tensor) -> Tensor:
        """As `forward`, of features that are standardized; zeros stand for no audio at all."""
        hidden = functional.gelu(self.linear1(standardized.to(self.linear1.weight.dtype)))
        return self.linear2(hidden).unflatten(-1, (self.prefix_length, -1))  # type: ignore[no-any-return]

    def without_audio(self) -> Tensor:
        """The prefix of no audio, as seen in training: (1, prefix_length, width)."""
        return self.mapped(torch.zeros_like(self.mean)[None])

"""Embeddings -> prefixes of the language model: the published projection and transformer mappers.

Names follow the published checkpoint.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Projection(nn.Module):
    """An encoder's output -> the embedding that audio and text share in size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(inputs, outputs, bias=False)
        self.linear2 = nn.Linear(outputs, outputs, bias=False)
        self.layer_norm = nn.LayerNorm(outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, inputs) -> (batch, outputs)."""
        linear = self.linear1(inputs)
        return self.layer_norm(linear + self.linear2(functional.gelu(linear)))  # type: ignore[no-any-return]


class Attention(nn.Module):
    """Self-attention whose queries, keys and values have no bias."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_queries = nn.Linear(size, size, bias=False)
        self.to_keys_values = nn.Linear(size, 2 * size, bias=False)
        self.project = nn.Linear(size, size)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, length, size) -> the same shape."""
        keys, values = self.to_keys_values(inputs).chunk(2, dim=-1)
        query, key, value = (self._heads(part) for part in (self.to_queries(inputs), keys, values))
        attended = functional.scaled_dot_product_attention(query, key, value)
        return self.project(attended.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def _heads(self, inputs: Tensor) -> Tensor:
        batch, length, size = inputs.shape
        return inputs.view(batch, length, self.heads, size // self.heads).transpose(1, 2)


class Mlp(nn.Module):
    """Two layers with a ReLU between."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(size, hidden)
        self.fc2 = nn.Linear(hidden, size)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.fc2(functional.relu(self.fc1(inputs)))  # type: ignore[no-any-return]


class Layer(nn.Module):
    """Attention and MLP, each behind a norm and beside a shortcut."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(size)
        self.attn = Attention(size, heads)
        self.norm2 = nn.LayerNorm(size)
        self.mlp = Mlp(size, 2 * size)

    def forward(self, inputs: Tensor) -> Tensor:
        attended = inputs + self.attn(self.norm1(inputs))
        return attended + self.mlp(self.norm2(attended))  # type: ignore[no-any-return]


class SequenceMapper(nn.Module):
    """A sequence of token embeddings -> a prefix: learnt queries read the sequence through a transformer."""

    def __init__(self, size: int, prefix_length: int, layers: int, heads: int) -> None:
        super().__init__()
        self.transformer = nn.ModuleDict({"layers": nn.Sequential(*(Layer(size, heads) for _ in range(layers)))})
        self.prefix_const = nn.Parameter(torch.randn(prefix_length, size))

    def forward(self, sequence: Tensor) -> Tensor:
        """(batch, length, size) -> (batch, prefix_length, size)."""
        queries = self.prefix_const.expand(len(sequence), -1, -1)
        mapped = self.transformer["layers"](torch.cat((sequence, queries), dim=1))
        return mapped[:, sequence.shape[1] :]  # type: ignore[no-any-return]


class PooledMapper(SequenceMapper):
    """One embedding -> a prefix: as `SequenceMapper`, of a sequence that a linear layer makes of the embedding."""

    def __init__(
        self,
        embedding_size: int,
        sequence_length: int,
        size: int,
        prefix_length: int,
        layers: int,
        heads: int,
        *,
        normalized: bool,
    ) -> None:
        super().__init__(size, prefix_length, layers, heads)
        self.sequence_length = sequence_length
        self.normalized = normalized
        """Whether the embedding is L2-normalised first"""
        self.linear = nn.Linear(embedding_size, sequence_length * size)

    def forward(self, embedding: Tensor) -> Tensor:
        """(batch, embedding_size) -> (batch, prefix_length, size)."""
        return super().forward(self.linear(self.embedding(embedding)).unflatten(-1, (self.sequence_length, -1)))

    def embedding(self, embedding: Tensor) -> Tensor:
        """What is mapped: (batch, embedding_size), L2-normalised where the mapper asks for it."""
        if not self.normalized:
            return embedding
        return functional.normalize(embedding.float(), dim=-1).to(embedding.dtype)

    def without_audio(self) -> Tensor:
        """The prefix of an embedding that says nothing: (1, prefix_length, size)."""
        return self(self.prefix_const.new_zeros(1, self.linear.in_features))  # type: ignore[no-any-return]

"""CLIP's text encoder: a prompt's tokens -> one embedding.

Names follow the published checkpoint.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pengi_stream.models.pengi.mapping_network import Projection


class Attention(nn.Module):
    """Causal self-attention."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(size, size)
        self.k_proj = nn.Linear(size, size)
        self.v_proj = nn.Linear(size, size)
        self.out_proj = nn.Linear(size, size)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, length, size) -> the same shape."""
        query, key, value = (
            project(inputs).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        attended = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.out_proj(attended.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class Mlp(nn.Module):
    """Two layers with CLIP's quick GELU between."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(size, 4 * size)
        self.fc2 = nn.Linear(4 * size, size)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.fc1(inputs)
        return self.fc2(hidden * torch.sigmoid(1.702 * hidden))  # type: ignore[no-any-return]


class Layer(nn.Module):
    """Attention and MLP, each behind a norm and beside a shortcut."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(size)
        self.self_attn = Attention(size, heads)
        self.layer_norm2 = nn.LayerNorm(size)
        self.mlp = Mlp(size)

    def forward(self, inputs: Tensor) -> Tensor:
        attended = inputs + self.self_attn(self.layer_norm1(inputs))
        return attended + self.mlp(self.layer_norm2(attended))  # type: ignore[no-any-return]


class ClipTextEncoder(nn.Module):
    """The output at the prompt's end token; what follows it is padding and has no influence."""

    def __init__(self, vocabulary: int, positions: int, size: int, layers: int, heads: int) -> None:
        super().__init__()
        self.embedding_size = size
        self.end_token = vocabulary - 1  # CLIP's last token
        self.token_embedding = nn.Embedding(vocabulary, size)
        self.position_embedding = nn.Embedding(positions, size)
        self.layers = nn.Sequential(*(Layer(size, heads) for _ in range(layers)))
        self.final_layer_norm = nn.LayerNorm(size)
        self.text_projection = nn.Linear(size, size, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """`tokens` (batch, length), each row with an end token -> (batch, embedding_size)."""
        embedded = self.token_embedding(tokens) + self.position_embedding.weight[: tokens.shape[1]]
        encoded = self.layers(embedded)
        ends = (tokens == self.end_token).int().argmax(dim=1)  # the first one
        pooled = encoded[torch.arange(len(tokens), device=tokens.device), ends]
        return self.text_projection(self.final_layer_norm(pooled))  # type: ignore[no-any-return]


class ClipPromptEncoder(nn.Module):
    """A prompt's tokens -> the prompt embedding."""

    def __init__(self, clip: ClipTextEncoder, embedding_size: int) -> None:
        super().__init__()
        self.clip = clip
        self.projection = Projection(clip.embedding_size, embedding_size)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, length) -> (batch, embedding_size), not normalised."""
        return self.projection(self.clip(tokens))  # type: ignore[no-any-return]

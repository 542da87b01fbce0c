"""A causal language model of the GPT-2 family, with a key-value cache of fixed shape.

Names follow GPT-2; weights of projections are stored as `nn.Linear` does, transposed to GPT-2's.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from pengi_stream.models.pengi.layers import GeluLinear, PackedLinear, attend, can_pack, pack


@dataclass(slots=True)
class Cache:
    """Keys and values of what was read, in slots; which slots a row may look at is the caller's `mask`."""

    keys: Tensor  # (layers, batch, heads, slots, head size)
    values: Tensor  # (layers, batch, heads, slots, head size)
    used: int = 0
    """Slots that are filled, the same in each row"""

    def put(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Keep those of the tokens that are read, (batch, heads, tokens, head size), in the next slots of `layer`; then
        those of all slots that they may look at."""
        end = self.used + key.shape[2]
        self.keys[layer, :, :, self.used : end] = key
        self.values[layer, :, :, self.used : end] = value
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def widened(self, slots: int) -> Cache:
        """A cache with room for so many more slots."""
        room = (0, 0, 0, slots)
        return Cache(functional.pad(self.keys, room), functional.pad(self.values, room), self.used)


class Attention(nn.Module):
    """Causal self-attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)

    def forward(self, inputs: Tensor, mask: Tensor | None, cache: Cache | None, layer: int) -> Tensor:
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.c_attn(inputs).chunk(3, dim=-1)
        )
        if cache is not None:
            key, value = cache.put(layer, key, value)
        if mask is None:
            attended = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        else:
            attended = attend(query, key, value, mask)
        return self.c_proj(attended.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class Mlp(nn.Module):
    """Two layers with GPT-2's approximate GELU between."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = GeluLinear(width, 4 * width, "tanh")
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.c_proj(self.c_fc(inputs))  # type: ignore[no-any-return]


class Layer(nn.Module):
    """Attention and MLP, each behind a norm and beside a shortcut."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = Mlp(width)

    def forward(self, inputs: Tensor, mask: Tensor | None, cache: Cache | None, layer: int) -> Tensor:
        attended = inputs + self.attn(self.ln_1(inputs), mask, cache, layer)
        return attended + self.mlp(self.ln_2(attended))  # type: ignore[no-any-return]


class LanguageModel(nn.Module):
    """Embeddings in, logits of the next token out; input and output embeddings are tied."""

    def __init__(self, vocabulary: int, positions: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.wte = nn.Embedding(vocabulary, width)
        self.wpe = nn.Embedding(positions, width)
        self.h = nn.ModuleList(Layer(width, heads) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)
        self.heads = heads
        self.packed_output: PackedLinear | None = None
        """What gives the logits, once the model is packed"""

    def embed(self, tokens: Tensor) -> Tensor:
        """(batch, length) -> (batch, length, width)."""
        return self.wte(tokens)  # type: ignore[no-any-return]

    def forward(
        self,
        embeddings: Tensor,
        positions: Tensor | None = None,
        mask: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """Hidden states (batch, length, width) of `embeddings` (batch, length, width).

        `positions` (batch, length) count from 0 where they are not given. `mask` (batch, 1, length, slots) is true
        where a token may look, in the cache and at its own slots; without it, each token sees those before it. With
        a `cache`, keys and values are put into its next slots.
        """
        length = embeddings.shape[1]
        if positions is None:
            positions = torch.arange(length, device=embeddings.device)[None]
        hidden = embeddings + self.wpe(positions)
        for index, layer in enumerate(self.h):
            hidden = layer(hidden, mask, cache, index)
        if cache is not None:
            cache.used += length
        return self.ln_f(hidden)  # type: ignore[no-any-return]

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., width) -> (..., vocabulary)."""
        if self.packed_output is not None:
            return self.packed_output(hidden)  # type: ignore[no-any-return]
        return functional.linear(hidden, self.wte.weight)

    def pack(self) -> None:
        """Lay the weights out for inference."""
        pack(self)
        if can_pack(self.wte.weight):
            self.packed_output = PackedLinear(self.wte.weight)

    def new_cache(self, batch: int, slots: int) -> Cache:
        """An empty cache."""
        weight = self.wte.weight
        shape = (len(self.h), batch, self.heads, slots, weight.shape[1] // self.heads)
        return Cache(weight.new_zeros(shape), weight.new_zeros(shape))

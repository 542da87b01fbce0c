"""Attention in shapes where a CPU is faster by plain products than by torch's fused kernel."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

FEW_SCORES = 1 << 21


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """(batch, heads, queries, size), (batch, heads, slots, size) twice -> as `query`.

    `mask` (batch or 1, heads or 1, queries, slots) is true where a query may look, or what is added to the scores.
    """
    size = query.shape[-1]
    if query.device.type != "cpu" or query.numel() // size * key.shape[2] > FEW_SCORES:
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    if key.dtype != torch.float32:
        key = key.contiguous()  # the product itself copies slots that are a part of a cache far more slowly
    scores = (query / math.sqrt(size)) @ key.transpose(2, 3)
    scores = scores.masked_fill_(~mask, -torch.inf) if mask.dtype == torch.bool else scores.add_(mask)
    return scores.softmax(dim=-1) @ value

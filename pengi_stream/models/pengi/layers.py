"""Faster on CPUs than torch's own: linear layers whose weights are laid out once, attention by plain products."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Gelu = Literal["none", "tanh"]
"""Exact, or approximated; named as `torch.nn.GELU` does"""
PACKABLE = (torch.float32, torch.bfloat16)
ROWS = 64  # for which the layout is chosen; others work as well
FEW_SCORES = 1 << 21  # up to here a CPU is faster by plain products than by torch's fused kernel


class GeluLinear(nn.Linear):
    """A linear layer and the GELU behind it."""

    def __init__(self, inputs: int, outputs: int, gelu: Gelu = "none") -> None:
        super().__init__(inputs, outputs)
        self.gelu = gelu

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        return functional.gelu(super().forward(inputs), approximate=self.gelu)


class PackedLinear(nn.Module):
    """What `nn.Linear` computes, and `GeluLinear` in one pass, of weights that are laid out once as oneDNN reads them.

    It has no parameters to train or to save."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None, gelu: Gelu | None = None) -> None:
        """`weight` (outputs, inputs) on a CPU, in float32 or bfloat16; `bias` (outputs,)."""
        super().__init__()
        self._then = ("none", "") if gelu is None else ("gelu", gelu)
        self.out_features, self.in_features = weight.shape
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), ROWS)
        self.bias = None if bias is None else bias.detach()

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        activation, kind = self._then
        return torch.ops.mkldnn._linear_pointwise(  # type: ignore[no-any-return]
            inputs, self.weight, self.bias, activation, [], kind
        )


def can_pack(weight: Tensor) -> bool:
    """Whether this build of torch packs such a weight, and computes with it what it should."""
    if weight.device.type != "cpu" or weight.dtype not in PACKABLE or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    sample, inputs = torch.eye(8, dtype=weight.dtype), torch.arange(16, dtype=weight.dtype).view(2, 8)
    try:
        return torch.equal(PackedLinear(sample)(inputs), functional.linear(inputs, sample))
    except (AttributeError, NotImplementedError, RuntimeError):  # torch keeps these operators for its own compiler
        return False


def pack(network: nn.Module) -> None:
    """Replace the linear layers in `network`, which then serves for inference alone; GPUs' layers are left."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Linear) and can_pack(child.weight):
                gelu = child.gelu if isinstance(child, GeluLinear) else None
                setattr(module, name, PackedLinear(child.weight, child.bias, gelu))


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

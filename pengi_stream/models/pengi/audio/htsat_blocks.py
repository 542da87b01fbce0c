"""The parts of a Swin transformer: attention in shifted windows, and the merging of patches between stages.

Images are (batch, height, width, channels); names follow the published checkpoint.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pengi_stream.models.pengi.layers import GeluLinear, attend

OTHER_REGION = -100.0  # added to the attention between patches that only the cyclic shift made neighbours


def split_windows(image: Tensor, size: int) -> Tensor:
    """(batch, height, width, channels) -> (batch, windows, size * size, channels)."""
    batch, height, width, channels = image.shape
    grid = image.view(batch, height // size, size, width // size, size, channels)
    return grid.transpose(2, 3).reshape(batch, -1, size * size, channels)


def join_windows(windows: Tensor, size: int, height: int, width: int) -> Tensor:
    """The inverse of `split_windows`."""
    batch, channels = windows.shape[0], windows.shape[-1]
    grid = windows.view(batch, height // size, width // size, size, size, channels)
    return grid.transpose(2, 3).reshape(batch, height, width, channels)


def relative_position_index(size: int) -> Tensor:
    """Row of the bias table for each pair of patches of a window, (size * size, size * size)."""
    places = torch.arange(size, device="cpu")
    rows, columns = torch.meshgrid(places, places, indexing="ij")
    rows, columns = rows.flatten(), columns.flatten()
    row_distance = rows[:, None] - rows[None, :] + size - 1
    column_distance = columns[:, None] - columns[None, :] + size - 1
    return row_distance * (2 * size - 1) + column_distance


def shift_mask(resolution: int, size: int, shift: int) -> Tensor:
    """What to add to the attention of each window of the shifted image, (windows, size * size, size * size)."""
    bands = torch.zeros(resolution, dtype=torch.long, device="cpu")
    bands[-size:] = 1
    bands[-shift:] = 2
    regions = (bands[:, None] * 3 + bands[None, :]).view(1, resolution, resolution, 1)
    patches = split_windows(regions, size)[0, :, :, 0]  # (windows, size * size)
    other = patches[:, :, None] != patches[:, None, :]
    return torch.where(other, OTHER_REGION, 0.0)


class WindowAttention(nn.Module):
    """Self-attention among the patches of each window, with a learnt bias by relative position."""

    position_index: Tensor
    shift_mask: Tensor | None

    def __init__(self, channels: int, heads: int, size: int, mask: Tensor | None) -> None:
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * size - 1) ** 2, heads))
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        # Computed, not loaded: so they are on the CPU even where the network is first laid out on the meta device.
        self.register_buffer("position_index", relative_position_index(size), persistent=False)
        self.register_buffer("shift_mask", mask, persistent=False)

    def forward(self, patches: Tensor) -> Tensor:
        """(batch, windows, patches, channels) -> the same shape."""
        batch, windows, length, channels = patches.shape
        qkv = self.qkv(patches).view(batch, windows, length, 3, self.heads, channels // self.heads)
        query, key, value = qkv.permute(3, 0, 1, 4, 2, 5).flatten(2, 3)  # each (batch, windows * heads, patches, head)
        bias = self._bias(windows).to(query.dtype)
        attended = attend(query, key, value, bias)
        merged = attended.view(batch, windows, self.heads, length, -1).transpose(2, 3)
        return self.proj(merged.reshape(batch, windows, length, channels))  # type: ignore[no-any-return]

    def _bias(self, windows: int) -> Tensor:
        bias = self.relative_position_bias_table[self.position_index].permute(2, 0, 1)  # (heads, patches, patches)
        if self.shift_mask is None:
            return bias.repeat(windows, 1, 1)[None]
        return (bias + self.shift_mask[:, None]).flatten(0, 1)[None]  # (1, windows * heads, patches, patches)


class Mlp(nn.Module):
    """Two layers with a GELU between."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = GeluLinear(channels, hidden)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.fc2(self.fc1(inputs))  # type: ignore[no-any-return]


class SwinBlock(nn.Module):
    """Window attention and MLP, each behind a norm and beside a shortcut; every other block shifts its windows."""

    def __init__(self, channels: int, heads: int, resolution: int, window: int, shifted: bool) -> None:
        super().__init__()
        self.window = min(window, resolution)
        self.shift = window // 2 if shifted and resolution > window else 0
        mask = shift_mask(resolution, self.window, self.shift) if self.shift else None
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(channels, heads, self.window, mask)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels, 4 * channels)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, height, width, channels) -> the same shape."""
        image = image + self._attend(self.norm1(image))
        return image + self.mlp(self.norm2(image))  # type: ignore[no-any-return]

    def _attend(self, image: Tensor) -> Tensor:
        if self.shift:
            image = image.roll((-self.shift, -self.shift), dims=(1, 2))
        windows = self.attn(split_windows(image, self.window))
        image = join_windows(windows, self.window, image.shape[1], image.shape[2])
        return image.roll((self.shift, self.shift), dims=(1, 2)) if self.shift else image


class PatchMerging(nn.Module):
    """Four neighbouring patches become one of twice the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, height, width, channels) -> (batch, height / 2, width / 2, 2 * channels)."""
        quarters = [image[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduction(self.norm(torch.cat(quarters, dim=-1)))  # type: ignore[no-any-return]

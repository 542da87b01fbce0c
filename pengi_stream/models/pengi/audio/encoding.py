"""Windows -> what the mapper maps, in pieces that suit a CPU's cache; what windows share is computed once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from pengi_stream.models.pengi.audio.htsat import HtsatEncoder
from pengi_stream.models.pengi.audio.mapper import YamnetEncoder, pool
from pengi_stream.models.pengi.audio.yamnet import PATCH_HOP_SAMPLES, PATCH_SAMPLES
from pengi_stream.types import Samples

PATCHES_KEPT = 8192  # 50 MB: what 600 streams share with their next window
WINDOWS_AT_ONCE = 4  # whose activations stay in a CPU's cache


class WindowEncoder(Protocol):
    """The audio encoder as inference uses it."""

    def encode(self, windows: Sequence[Samples]) -> Tensor:
        """Samples (window_samples,) of each window -> (windows, features)."""
        ...


class HtsatWindows:
    """Encodes a few windows at a time."""

    def __init__(self, encoder: HtsatEncoder, device: torch.device) -> None:
        self._encoder = encoder
        self._device = device

    def encode(self, windows: Sequence[Samples]) -> Tensor:
        """See `WindowEncoder.encode`."""
        samples = torch.from_numpy(np.stack(windows)).to(self._device)
        size = WINDOWS_AT_ONCE if self._device.type == "cpu" else len(windows)
        return torch.cat([self._encoder(samples[start : start + size]) for start in range(0, len(windows), size)])


Block = int
"""Hash of samples: 64 bits, keyed anew in each process"""
Patch = tuple[Block, Block, Block]


class YamnetWindows:
    """Encodes each patch once, however many windows have it: windows whose hop is a multiple of the patches' share."""

    def __init__(self, encoder: YamnetEncoder, device: torch.device) -> None:
        self._yamnet = encoder.yamnet
        self._device = device
        self._known: dict[Patch, tuple[Tensor, Tensor]] = {}
        """Embedding and logits, oldest first"""
        self.computed = 0
        """Patches that went through the encoder"""

    def encode(self, windows: Sequence[Samples]) -> Tensor:
        """See `WindowEncoder.encode`."""
        keys = [patch_keys(samples) for samples in windows]
        self._learn(windows, keys)
        rows = [self._known[key] for window in keys for key in window]
        embeddings = torch.stack([embedding for embedding, _ in rows])
        logits = torch.stack([logit for _, logit in rows])
        for key in list(islice(self._known, max(0, len(self._known) - PATCHES_KEPT))):
            del self._known[key]
        shape = (len(windows), len(keys[0]), -1)
        return pool(embeddings.view(shape), logits.view(shape))

    def _learn(self, windows: Sequence[Samples], keys: Sequence[Sequence[Patch]]) -> None:
        fresh: dict[Patch, Tensor] = {}
        for samples, window in zip(windows, keys, strict=True):
            new = [index for index, key in enumerate(window) if key not in self._known and key not in fresh]
            if new:
                rest = torch.from_numpy(samples[new[0] * PATCH_HOP_SAMPLES :]).to(self._device)
                patches = self._yamnet.patches(rest[None])[0]
                fresh |= {window[index]: patches[index - new[0]] for index in new}
        if fresh:
            computed = zip(*self._yamnet.classify(torch.stack(list(fresh.values()))), strict=True)
            self._known |= dict(zip(fresh, computed, strict=True))
            self.computed += len(fresh)


def patch_keys(samples: Samples) -> list[Patch]:
    """What tells the patches of a window apart: the same samples have the same key, wherever they lie."""
    blocks = [hash(samples[at : at + PATCH_HOP_SAMPLES].tobytes()) for at in range(0, len(samples), PATCH_HOP_SAMPLES)]
    tail = PATCH_SAMPLES - 2 * PATCH_HOP_SAMPLES
    starts = range(0, len(samples) - PATCH_SAMPLES + 1, PATCH_HOP_SAMPLES)
    return [
        (
            blocks[index],
            blocks[index + 1],
            hash(samples[start + PATCH_SAMPLES - tail : start + PATCH_SAMPLES].tobytes()),
        )
        for index, start in enumerate(starts)
    ]


def window_encoder(encoder: YamnetEncoder | HtsatEncoder, device: torch.device) -> WindowEncoder:
    """For `encoder` on `device`."""
    return YamnetWindows(encoder, device) if isinstance(encoder, YamnetEncoder) else HtsatWindows(encoder, device)

"""YAMNet: patches of 0.96 s -> embeddings and AudioSet class scores.

MobileNetV1 (arXiv 1704.04861) trained on AudioSet; batch norm is folded into the convolutions.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pengi_stream.models.pengi.config import YAMNET_SAMPLE_RATE

SAMPLE_RATE = YAMNET_SAMPLE_RATE
FFT_SAMPLES = 512
STFT_SAMPLES = 400  # 25 ms
STFT_HOP_SAMPLES = 160  # 10 ms
MEL_BANDS = 64
MEL_RANGE_HZ = (125.0, 7_500.0)
LOG_OFFSET = 0.001
PATCH_FRAMES = 96  # 0.96 s
PATCH_HOP_FRAMES = 48  # 0.48 s
PATCH_HOP_SAMPLES = PATCH_HOP_FRAMES * STFT_HOP_SAMPLES  # 7680
PATCH_SAMPLES = (PATCH_FRAMES - 1) * STFT_HOP_SAMPLES + STFT_SAMPLES  # 15600
EMBEDDING_SIZE = 1024
CLASSES = 521
SILENCE = 494  # index of the class "Silence"
BLOCKS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *((512, 1),) * 5,
    (1024, 2),
    (1024, 1),
)  # channels, stride
BATCH_NORM_EPS = 1e-4
PATCHES_AT_ONCE = 26  # two windows: what they take stays in a CPU's cache


def window_samples(patches: int) -> int:
    """Samples that give so many patches."""
    return (patches - 1) * PATCH_HOP_SAMPLES + PATCH_SAMPLES


class SameConv(nn.Conv2d):
    """A 3x3 convolution padded as TensorFlow's SAME: the odd pixel goes below and to the right."""

    def forward(self, image: Tensor) -> Tensor:
        padding = [self._padding(size) for size in (image.shape[3], image.shape[2])]
        if padding == [2, 2]:  # the same on all sides, which the convolution does without a copy
            return functional.conv2d(image, self.weight, self.bias, self.stride, 1, groups=self.groups)
        return super().forward(functional.pad(image, [side for n in padding for side in (n // 2, n - n // 2)]))

    def _padding(self, size: int) -> int:
        return max((-(-size // self.stride[0]) - 1) * self.stride[0] + 3 - size, 0)


class Block(nn.Module):
    """Depthwise-separable convolution."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.depthwise = SameConv(inputs, inputs, 3, stride=stride, groups=inputs)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(image).relu_()).relu_()  # type: ignore[no-any-return]


class Yamnet(nn.Module):
    """Patches are framed from the window's first sample on, so that windows on the patch grid share them."""

    window: Tensor  # (STFT_SAMPLES,)
    mel: Tensor  # (frequency, mel)

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(STFT_SAMPLES))
        self.register_buffer("mel", torch.from_numpy(mel_matrix()))
        self.stem = SameConv(1, 32, 3, stride=2)
        inputs = (32, *(channels for channels, _ in BLOCKS))
        self.blocks = nn.Sequential(
            *(Block(inputs[index], channels, stride) for index, (channels, stride) in enumerate(BLOCKS))
        )
        self.classifier = nn.Linear(EMBEDDING_SIZE, CLASSES)

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """`samples` (batch, samples) at 16 kHz -> embeddings (batch, patches, 1024), logits (batch, patches, 521)."""
        patches = self.patches(samples)
        embeddings, logits = self.classify(patches.flatten(0, 1))
        shape = (*patches.shape[:2], -1)
        return embeddings.view(shape), logits.view(shape)

    def patches(self, samples: Tensor) -> Tensor:
        """`samples` (batch, samples) -> log-mel patches (batch, patches, PATCH_FRAMES, MEL_BANDS)."""
        with torch.autocast(samples.device.type, enabled=False):
            frames = samples.float().unfold(-1, STFT_SAMPLES, STFT_HOP_SAMPLES)
            magnitude = torch.fft.rfft(frames * self.window.float(), FFT_SAMPLES).abs()
            log_mel = torch.log(magnitude @ self.mel.float() + LOG_OFFSET)  # (batch, time, mel)
        return log_mel.unfold(1, PATCH_FRAMES, PATCH_HOP_FRAMES).mT

    def classify(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """(patches, PATCH_FRAMES, MEL_BANDS) -> embeddings (patches, 1024), logits (patches, 521)."""
        images = patches[:, None].to(self.stem.weight.dtype)
        parts = [images[start : start + PATCHES_AT_ONCE] for start in range(0, len(images), PATCHES_AT_ONCE)]
        embeddings = torch.cat([self.blocks(self.stem(part).relu_()).mean(dim=(2, 3)) for part in parts])
        return embeddings, self.classifier(embeddings)


def mel_matrix() -> NDArray[np.float32]:
    """Triangular HTK mel filters: (FFT_SAMPLES // 2 + 1, MEL_BANDS)."""

    def mel(hertz: NDArray[np.float64] | float) -> NDArray[np.float64]:
        return np.asarray(1127 * np.log(1 + np.asarray(hertz) / 700))

    bins = mel(np.linspace(0, SAMPLE_RATE / 2, FFT_SAMPLES // 2 + 1))[:, None]
    edges = np.linspace(mel(MEL_RANGE_HZ[0]), mel(MEL_RANGE_HZ[1]), MEL_BANDS + 2)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    filters = np.maximum(0, np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)))
    filters[0] = 0  # no constant offset
    return filters.astype(np.float32)


def converted_state(arrays: Mapping[str, NDArray[np.float32]]) -> dict[str, Tensor]:
    """A `Yamnet` state dict of the published weights, named `layer/variable` in the order of the network."""
    fresh = Yamnet()
    state = {"window": fresh.window, "mel": fresh.mel}
    state |= _folded("stem", arrays["0/kernel"].transpose(3, 2, 0, 1), arrays, 1)
    for index in range(len(BLOCKS)):
        layer = 2 + 4 * index
        depthwise = arrays[f"{layer}/depthwise_kernel"].transpose(2, 3, 0, 1)
        pointwise = arrays[f"{layer + 2}/kernel"].transpose(3, 2, 0, 1)
        state |= _folded(f"blocks.{index}.depthwise", depthwise, arrays, layer + 1)
        state |= _folded(f"blocks.{index}.pointwise", pointwise, arrays, layer + 3)
    state["classifier.weight"] = torch.from_numpy(arrays["54/kernel"].T.copy())
    state["classifier.bias"] = torch.from_numpy(arrays["54/bias"].copy())
    return state


def _folded(
    name: str, kernel: NDArray[np.float32], arrays: Mapping[str, NDArray[np.float32]], layer: int
) -> dict[str, Tensor]:
    """Convolution and the batch norm behind it, as one convolution."""
    scale = 1 / np.sqrt(arrays[f"{layer}/moving_variance"] + BATCH_NORM_EPS)
    bias = arrays[f"{layer}/beta"] - arrays[f"{layer}/moving_mean"] * scale
    weight = kernel * scale[:, None, None, None]
    return {f"{name}.weight": torch.from_numpy(weight.copy()), f"{name}.bias": torch.from_numpy(bias)}

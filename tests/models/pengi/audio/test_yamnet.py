"""YAMNet as TensorFlow would compute it, on patches that neighbouring windows share."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from pengi_stream.models.pengi.audio.yamnet import (
    BLOCKS,
    PATCH_HOP_SAMPLES,
    SameConv,
    Yamnet,
    converted_state,
    mel_matrix,
    window_samples,
)


@pytest.fixture(scope="module")
def arrays() -> Mapping[str, NDArray[np.float32]]:
    """Random weights under the published names and shapes."""
    rng = np.random.default_rng(0)
    made: dict[str, NDArray[np.float32]] = {}

    def layer(number: int, name: str, shape: tuple[int, ...], channels: int) -> None:
        made[f"{number}/{name}"] = rng.normal(0, 1 / np.sqrt(np.prod(shape[:3])), shape).astype(np.float32)
        for variable in ("beta", "moving_mean"):
            made[f"{number + 1}/{variable}"] = rng.normal(0, 0.1, channels).astype(np.float32)
        made[f"{number + 1}/moving_variance"] = rng.uniform(0.2, 2, channels).astype(np.float32)

    layer(0, "kernel", (3, 3, 1, 32), 32)
    inputs = 32
    for index, (channels, _) in enumerate(BLOCKS):
        layer(2 + 4 * index, "depthwise_kernel", (3, 3, inputs, 1), inputs)
        layer(4 + 4 * index, "kernel", (1, 1, inputs, channels), channels)
        inputs = channels
    made["54/kernel"] = rng.normal(0, 0.1, (1024, 521)).astype(np.float32)
    made["54/bias"] = rng.normal(0, 0.1, 521).astype(np.float32)
    return made


@pytest.fixture(scope="module")
def yamnet(arrays: Mapping[str, NDArray[np.float32]]) -> Yamnet:
    network = Yamnet()
    network.load_state_dict(converted_state(arrays))
    return network.eval()


def test_13_patches_make_a_window_of_6_735_seconds() -> None:
    assert window_samples(13) == 107_760


@torch.inference_mode()
def test_windows_on_the_patch_grid_share_their_patches(yamnet: Yamnet) -> None:
    sound = 0.1 * torch.randn(window_samples(6), generator=torch.Generator().manual_seed(1))
    first, second = sound[: window_samples(4)], sound[2 * PATCH_HOP_SAMPLES :]
    embeddings, logits = yamnet(torch.stack((first, second)))
    torch.testing.assert_close(embeddings[0, 2:], embeddings[1, :2])
    torch.testing.assert_close(logits[0, 2:], logits[1, :2])


@torch.inference_mode()
def test_folding_the_batch_norm_does_not_change_the_first_layer(
    yamnet: Yamnet, arrays: Mapping[str, NDArray[np.float32]]
) -> None:
    image = torch.randn(2, 1, 96, 64, generator=torch.Generator().manual_seed(2))
    kernel = torch.from_numpy(arrays["0/kernel"]).permute(3, 2, 0, 1)
    convolved = functional.conv2d(functional.pad(image, (0, 1, 0, 1)), kernel, stride=2)
    mean, variance, beta = (
        torch.from_numpy(arrays[f"1/{name}"]) for name in ("moving_mean", "moving_variance", "beta")
    )
    expected = functional.batch_norm(convolved, mean, variance, bias=beta, eps=1e-4)
    torch.testing.assert_close(yamnet.stem(image), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("size", "stride", "before", "after"), [(6, 1, 1, 1), (6, 2, 0, 1), (5, 2, 1, 1)])
def test_images_are_padded_as_by_tensorflow(size: int, stride: int, before: int, after: int) -> None:
    convolution = SameConv(1, 1, 3, stride=stride)
    image = torch.randn(1, 1, size, size)
    padded = functional.pad(image, (before, after, before, after))
    expected = functional.conv2d(padded, convolution.weight, convolution.bias, stride=stride)
    torch.testing.assert_close(convolution(image), expected)


def test_a_tone_is_loudest_in_the_mel_band_around_it() -> None:
    matrix = mel_matrix()
    assert matrix.shape == (257, 64)
    assert not matrix[0].any()
    mel = 1127 * np.log(1 + np.array([125.0, 7_500.0, 1_000.0]) / 700)
    band = round((mel[2] - mel[0]) / (mel[1] - mel[0]) * 65) - 1  # 64 centres between the two ends
    assert int(matrix[32].argmax()) == band  # bin 32 of 512 at 16 kHz is 1000 Hz

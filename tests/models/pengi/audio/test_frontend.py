"""The log-mel front end, against the definition of the transform in float64."""

from __future__ import annotations

import numpy as np
import torch

from pengi_stream.models.pengi.audio.frontend import LogMelFrontend


def frontend_with_random_mel() -> LogMelFrontend:
    frontend = LogMelFrontend(fft_samples=64, hop_samples=20, mel_bands=5)
    frontend.mel.copy_(torch.rand(33, 5, generator=torch.Generator().manual_seed(1)))
    return frontend


def direct_decibels(samples: np.ndarray, mel: np.ndarray) -> np.ndarray:
    padded = np.pad(samples.astype(np.float64), 32, mode="reflect")
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(64) / 64)
    waves = np.exp(-2j * np.pi * np.outer(np.arange(64), np.arange(33)) / 64)
    frames = np.stack([padded[start : start + 64] * hann for start in range(0, len(samples) + 1, 20)])
    return 10 * np.log10(np.maximum(np.abs(frames @ waves) ** 2 @ mel, 1e-10))


def test_gives_the_decibels_that_the_definition_of_the_transform_gives() -> None:
    samples = np.random.default_rng(0).normal(size=333).astype(np.float32)
    frontend = frontend_with_random_mel()
    decibels = frontend(torch.from_numpy(samples)[None])[0].numpy()
    np.testing.assert_allclose(decibels, direct_decibels(samples, frontend.mel.numpy()), atol=1e-3)


def test_silence_is_minus_100_decibels() -> None:
    assert (frontend_with_random_mel()(torch.zeros(1, 200)) == -100).all()


def test_stays_in_float32_under_autocast() -> None:
    samples = torch.randn(1, 300, generator=torch.Generator().manual_seed(2))
    frontend = frontend_with_random_mel()
    with torch.autocast("cpu", torch.bfloat16):
        decibels = frontend(samples)
    assert torch.equal(decibels, frontend(samples))

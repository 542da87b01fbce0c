"""Samples -> log-mel spectrogram, as HTSAT's checkpoint expects it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

MIN_POWER = 1e-10  # -100 dB
BATCH_NORM_EPS = 1e-5


class LogMelFrontend(nn.Module):
    """Log-mel spectrogram by a real FFT, always in float32.

    The analysis window and the mel matrix are the checkpoint's own: Pengi feeds 44.1 kHz audio into a front end that
    was built for 32 kHz, so no mel matrix computed from the sample rate would fit.
    """

    window: Tensor  # (fft_samples,)
    mel: Tensor  # (fft_samples // 2 + 1, mel)

    def __init__(self, fft_samples: int = 1024, hop_samples: int = 320, mel_bands: int = 64) -> None:
        super().__init__()
        self.fft_samples = fft_samples
        self.hop_samples = hop_samples
        self.register_buffer("window", torch.hann_window(fft_samples))
        self.register_buffer("mel", torch.zeros(fft_samples // 2 + 1, mel_bands))

    def forward(self, samples: Tensor) -> Tensor:
        """`samples` (batch, samples) -> decibels (batch, time, mel); time = samples // hop_samples + 1."""
        with torch.autocast(samples.device.type, enabled=False):
            spectrum = torch.stft(
                samples.float(),
                self.fft_samples,
                self.hop_samples,
                window=self.window.float(),
                center=True,
                pad_mode="reflect",
                return_complex=True,
            )  # (batch, frequency, time)
            power = spectrum.real.square() + spectrum.imag.square()
            return 10 * torch.log10((power.mT @ self.mel.float()).clamp(min=MIN_POWER))


class MelNorm(nn.Module):
    """The checkpoint's batch norm of each mel band: statistics of its training, in float32 like the front end's."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, mel_bands: int) -> None:
        super().__init__()
        for name, value in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
            self.register_buffer(name, torch.full((mel_bands,), value))

    def forward(self, decibels: Tensor) -> Tensor:
        """(batch, time, mel) -> the same shape."""
        scale = self.weight * (self.running_var + BATCH_NORM_EPS).rsqrt()
        return (decibels - self.running_mean) * scale + self.bias

"""HTSAT, the published Pengi's audio encoder: a Swin transformer on the folded log-mel spectrogram."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from pengi_stream.models.pengi.audio.frontend import LogMelFrontend, MelNorm
from pengi_stream.models.pengi.audio.htsat_blocks import PatchMerging, SwinBlock
from pengi_stream.models.pengi.mapping_network import Projection


class Stage(nn.Module):
    """Blocks at one resolution; the last stage does not merge its patches."""

    def __init__(self, channels: int, depth: int, heads: int, resolution: int, window: int, last: bool) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(SwinBlock(channels, heads, resolution, window, shifted=index % 2 == 1) for index in range(depth))
        )
        self.downsample = nn.Identity() if last else PatchMerging(channels)

    def forward(self, image: Tensor) -> Tensor:
        return self.downsample(self.blocks(image))  # type: ignore[no-any-return]


class PatchEmbedding(nn.Module):
    """Square patches of the image -> channels."""

    def __init__(self, patch: int, channels: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(1, channels, patch, stride=patch)
        self.norm = nn.LayerNorm(channels)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, 1, size, size) -> (batch, size / patch, size / patch, channels)."""
        return self.norm(self.proj(image).permute(0, 2, 3, 1))  # type: ignore[no-any-return]


class Htsat(nn.Module):
    """Samples of one window -> one embedding.

    The log-mel spectrogram is stretched to `folds * image_size` frames, cut into `folds` pieces along time, and those
    are stacked along frequency, so that it becomes a square image. The classification head is left out: Pengi uses
    the pooled patches.
    """

    def __init__(
        self,
        image_size: int = 256,
        patch: int = 4,
        channels: int = 96,
        depths: Sequence[int] = (2, 2, 6, 2),
        heads: Sequence[int] = (4, 8, 16, 32),
        window: int = 8,
        mel_bands: int = 64,
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.folds = image_size // mel_bands
        self.embedding_size = channels << (len(depths) - 1)
        self.frontend = LogMelFrontend(mel_bands=mel_bands)
        self.bn0 = MelNorm(mel_bands)
        self.patch_embed = PatchEmbedding(patch, channels)
        self.layers = nn.Sequential(
            *(
                Stage(channels << index, depth, heads[index], image_size // patch >> index, window, last)
                for index, depth in enumerate(depths)
                for last in [index == len(depths) - 1]
            )
        )
        self.norm = nn.LayerNorm(self.embedding_size)

    def forward(self, samples: Tensor) -> Tensor:
        """`samples` (batch, samples) -> (batch, embedding_size).

        At most `folds * image_size` frames of samples: 7.43 s of 44.1 kHz as published."""
        decibels = self.bn0(self.frontend(samples))
        image = self._fold(decibels).to(self.patch_embed.proj.weight.dtype)
        return self.norm(self.layers(self.patch_embed(image))).mean(dim=(1, 2))  # type: ignore[no-any-return]

    def _fold(self, decibels: Tensor) -> Tensor:
        """(batch, time, mel) -> (batch, 1, image_size, image_size)."""
        batch, frames, mel_bands = decibels.shape
        stretched_frames = self.folds * self.image_size
        if frames > stretched_frames:
            raise ValueError(f"a window of {frames} spectrogram frames, expected at most {stretched_frames}")
        stretched = functional.interpolate(
            decibels[:, None], (stretched_frames, mel_bands), mode="bicubic", align_corners=True
        )
        pieces = stretched.view(batch, self.folds, self.image_size, mel_bands)
        return pieces.mT.reshape(batch, 1, self.image_size, self.image_size)


class HtsatEncoder(nn.Module):
    """Samples of one window -> the audio embedding."""

    def __init__(self, htsat: Htsat, embedding_size: int) -> None:
        super().__init__()
        self.htsat = htsat
        self.projection = Projection(htsat.embedding_size, embedding_size)

    def forward(self, samples: Tensor) -> Tensor:
        """(batch, samples) -> (batch, embedding_size), not normalised."""
        return self.projection(self.htsat(samples))  # type: ignore[no-any-return]

"""How much a model must compute for an answer, whatever else a program computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from pengi_stream.models.pengi.config import LanguageModelConfig, PengiConfig
from pengi_stream.models.pengi.network import Pengi

STAGES = ("audio encoder", "mapper", "reading", "decoding")


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """GFLOP by part; a multiplication and an addition count as two."""

    encoder: float
    """Of a window"""
    mapper: float
    """Of a window"""
    audio_tokens: int
    """Slots of the language model that a window takes"""
    token: float
    """Of a token in the layers of the language model, attention aside"""
    look: float
    """Of a token that looks at another"""
    logits: float
    """Of the probabilities of a token"""

    def stages(self, prompts: Sequence[int], beams: int, tokens: float) -> Mapping[str, float]:
        """Of a window that is asked prompts of such lengths, each of which is answered by so many tokens.

        The audio is read once, and beams share what was read; the first token comes from what was read last.
        """
        reading, decoding = self._read(0, self.audio_tokens), 0.0
        for length in prompts:
            slots = self.audio_tokens + length
            reading += self._read(self.audio_tokens, slots) + self.logits
            written = max(0.0, tokens - 1)
            looks = slots + (written + 1) / 2
            decoding += beams * written * (self.token + looks * self.look + self.logits)
        return dict(zip(STAGES, (self.encoder, self.mapper, reading, decoding), strict=True))

    def _read(self, first: int, end: int) -> float:
        """Tokens from slot `first` to `end`, each of which looks at all before it and at itself."""
        looks = (end * (end + 1) - first * (first + 1)) / 2
        return (end - first) * self.token + looks * self.look


def count(config: PengiConfig, network: Pengi) -> Arithmetic:
    """Run `network`, as it was loaded, on a window of silence; the language model is counted by its shape."""
    samples = torch.zeros(1, config.window_samples)
    with torch.inference_mode():
        encoded, encoder = _counted(network.audio_encoder, samples)
        prefix, mapper = _counted(network.audio_mapper, encoded)
    shape = config.language_model
    return Arithmetic(encoder, mapper, prefix.shape[1], *of_tokens(shape))


def of_tokens(shape: LanguageModelConfig) -> tuple[float, float, float]:
    """A token, a look and the logits, in GFLOP."""
    weights = 12 * shape.width**2 * shape.layers  # attention has 4 matrices of width x width, the MLP two of 4 each
    return 2 * weights / 1e9, 4 * shape.width * shape.layers / 1e9, 2 * shape.vocabulary * shape.width / 1e9


def _counted(part: Callable[[Tensor], Tensor], inputs: Tensor) -> tuple[Tensor, float]:
    counter = FlopCounterMode(display=False)
    with sdpa_kernel(SDPBackend.MATH), counter:  # whose matrix products are counted; a CPU's fused kernel's are not
        result = part(inputs)
    return result, counter.get_total_flops() / 1e9

"""Pengi: audio and prompt to prefixes, language model."""

from __future__ import annotations

from torch import Tensor, nn

from pengi_stream.models.pengi.config import PengiConfig
from pengi_stream.models.pengi.language_model import LanguageModel
from pengi_stream.models.pengi.mapper import FEATURES, MlpMapper, YamnetEncoder


class Pengi(nn.Module):
    """The parts of a checkpoint under the names that its files use."""

    def __init__(self, config: PengiConfig) -> None:
        super().__init__()
        language_model = config.language_model
        self.audio_encoder = YamnetEncoder()
        self.audio_mapper = MlpMapper(
            FEATURES, config.audio_mapping.hidden, config.audio_mapping.prefix_length, language_model.width
        )
        self.language_model = LanguageModel(
            language_model.vocabulary,
            language_model.positions,
            language_model.width,
            language_model.layers,
            language_model.heads,
        )

    def audio_prefix(self, samples: Tensor) -> Tensor:
        """`samples` (batch, window_samples) -> (batch, prefix_length, width)."""
        return self.audio_mapper(self.audio_encoder(samples))  # type: ignore[no-any-return]

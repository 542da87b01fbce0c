"""The parts of Pengi: what makes prefixes of audio and of prompts, and the language model."""

from __future__ import annotations

from torch import nn

from pengi_stream.models.pengi.audio.htsat import Htsat, HtsatEncoder
from pengi_stream.models.pengi.audio.listener import SoundMapper
from pengi_stream.models.pengi.audio.mapper import FEATURES, MlpMapper, YamnetEncoder
from pengi_stream.models.pengi.audio.site_mapper import SiteMapper
from pengi_stream.models.pengi.config import (
    ClipTextConfig,
    HtsatConfig,
    LanguageModelConfig,
    MappedTokensConfig,
    MlpMappingConfig,
    PengiConfig,
    SiteMappingConfig,
    SoundMappingConfig,
    TokenEmbeddingsConfig,
    TransformerMappingConfig,
    YamnetConfig,
)
from pengi_stream.models.pengi.mapping_network import PooledMapper, SequenceMapper
from pengi_stream.models.pengi.text.language_model import LanguageModel
from pengi_stream.models.pengi.text.text_encoder import ClipPromptEncoder, ClipTextEncoder


class Pengi(nn.Module):
    """The parts of a checkpoint under the names that its files use."""

    def __init__(self, config: PengiConfig) -> None:
        super().__init__()
        width = config.language_model.width
        self.audio_encoder = _audio_encoder(config.audio_encoder)
        self.audio_mapper = _audio_mapper(config.audio_mapping, config.audio_encoder, width)
        self.prompt_encoder = _prompt_encoder(config.text) if isinstance(config.text, ClipTextConfig) else None
        self.prompt_mapper = _prompt_mapper(config.text, width)
        self.language_model = _language_model(config.language_model)


def _audio_encoder(config: YamnetConfig | HtsatConfig) -> YamnetEncoder | HtsatEncoder:
    if isinstance(config, YamnetConfig):
        return YamnetEncoder()
    htsat = Htsat(
        config.image_size,
        config.patch,
        config.channels,
        config.depths,
        config.heads,
        config.window,
        config.mel_bands,
    )
    return HtsatEncoder(htsat, config.embedding_size)


def _audio_mapper(
    config: MlpMappingConfig | SoundMappingConfig | SiteMappingConfig | TransformerMappingConfig,
    encoder: YamnetConfig | HtsatConfig,
    width: int,
) -> MlpMapper | SoundMapper | SiteMapper | PooledMapper:
    features = FEATURES if isinstance(encoder, YamnetConfig) else encoder.embedding_size
    if isinstance(config, SiteMappingConfig):
        base = _listening_mapper(config.base, features, width)
        return SiteMapper(base, features, config.captions, (config.prefix_length, width))
    if isinstance(config, TransformerMappingConfig):
        return _pooled_mapper(config, features, width, normalized=True)
    return _listening_mapper(config, features, width)


def _listening_mapper(
    config: MlpMappingConfig | SoundMappingConfig, features: int, width: int
) -> MlpMapper | SoundMapper:
    if isinstance(config, MlpMappingConfig):
        return MlpMapper(features, config.hidden, config.prefix_length, width)
    shape = (config.prefix_length, width)
    return SoundMapper(config.sounds, config.known, config.prototypes, shape)


def _prompt_encoder(config: ClipTextConfig) -> ClipPromptEncoder:
    clip = ClipTextEncoder(config.vocabulary, config.positions, config.width, config.layers, config.heads)
    return ClipPromptEncoder(clip, config.embedding_size)


def _prompt_mapper(
    config: TokenEmbeddingsConfig | MappedTokensConfig | ClipTextConfig, width: int
) -> SequenceMapper | None:
    match config:
        case TokenEmbeddingsConfig():
            return None
        case MappedTokensConfig(mapping=mapping):
            return SequenceMapper(width, mapping.prefix_length, mapping.layers, mapping.heads)
        case ClipTextConfig(mapping=mapping):
            normalized = config.normalization == "training"
            return _pooled_mapper(mapping, config.embedding_size, width, normalized=normalized)


def _pooled_mapper(
    config: TransformerMappingConfig, embedding_size: int, width: int, *, normalized: bool
) -> PooledMapper:
    return PooledMapper(
        embedding_size,
        config.sequence_length,
        width,
        config.prefix_length,
        config.layers,
        config.heads,
        normalized=normalized,
    )


def _language_model(config: LanguageModelConfig) -> LanguageModel:
    return LanguageModel(config.vocabulary, config.positions, config.width, config.layers, config.heads)

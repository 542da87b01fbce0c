"""What a checkpoint is made of. `base` and `base_no_text_enc` are such configs too, not other models."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

PromptNormalization = Literal["published", "training"]
"""Whether prompt embeddings are L2-normalised, as in training, or not, as by the published inference code."""


class Part(BaseModel):
    """A part of a checkpoint's config.json."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class YamnetConfig(Part):
    """YAMNet's embeddings and class scores, pooled over the window."""

    type: Literal["yamnet"] = "yamnet"


class HtsatConfig(Part):
    """HTSAT, a Swin transformer on the folded log-mel spectrogram, and a projection."""

    type: Literal["htsat"] = "htsat"
    image_size: int = 256
    patch: int = 4
    channels: int = 96
    depths: tuple[int, ...] = (2, 2, 6, 2)
    heads: tuple[int, ...] = (4, 8, 16, 32)
    window: int = 8
    """Patches along each side of an attention window"""
    mel_bands: int = 64
    embedding_size: int = 1024


class MlpMappingConfig(Part):
    """Features -> prefix through one hidden layer."""

    type: Literal["mlp"] = "mlp"
    prefix_length: int = 8
    hidden: int = 512


class TransformerMappingConfig(Part):
    """Embedding -> prefix: learnt queries read a sequence through a transformer."""

    type: Literal["transformer"] = "transformer"
    prefix_length: int = 40
    sequence_length: int = 40
    layers: int = 4
    heads: int = 8


class TokenEmbeddingsConfig(Part):
    """Prompts go through the language model's own token embeddings, unmapped."""

    type: Literal["token_embeddings"] = "token_embeddings"
    max_prompt_tokens: int = 40
    """Longer prompts are cut at their end"""


class MappedTokensConfig(Part):
    """Prompts go through the language model's own token embeddings and a mapping network."""

    type: Literal["mapped_tokens"] = "mapped_tokens"
    suffix: str = ""
    """Written behind every prompt"""
    mapping: TransformerMappingConfig = TransformerMappingConfig()


class ClipTextConfig(Part):
    """Prompts go through CLIP's text encoder, a projection and a mapping network."""

    type: Literal["clip"] = "clip"
    vocabulary: int = 49_408
    positions: int = 77
    width: int = 512
    layers: int = 12
    heads: int = 8
    embedding_size: int = 1024
    normalization: PromptNormalization = "published"
    mapping: TransformerMappingConfig = TransformerMappingConfig()


class LanguageModelConfig(Part):
    """GPT-2 family."""

    vocabulary: int
    positions: int
    width: int
    layers: int
    heads: int
    stop_token: int


class RankingConfig(Part):
    """How labels are compared."""

    length_normalized: bool = False
    prior_corrected: bool = True
    """Subtract a label's log-likelihood without audio: what is common in texts is not more likely to be heard"""


class PengiConfig(Part):
    """A checkpoint's config.json."""

    version: Literal[1] = 1
    sample_rate: int
    """Hertz"""
    window_samples: int
    hop_grid_samples: int
    audio_encoder: YamnetConfig | HtsatConfig = Field(default=YamnetConfig(), discriminator="type")
    audio_mapping: MlpMappingConfig | TransformerMappingConfig = Field(default=MlpMappingConfig(), discriminator="type")
    text: TokenEmbeddingsConfig | MappedTokensConfig | ClipTextConfig = Field(
        default=TokenEmbeddingsConfig(), discriminator="type"
    )
    language_model: LanguageModelConfig
    ranking: RankingConfig = Field(default=RankingConfig())

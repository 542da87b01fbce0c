"""What a checkpoint is made of. `base` and `base_no_text_enc` are such configs too, not other models."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """A part of a checkpoint's config.json."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class YamnetConfig(Part):
    """YAMNet's embeddings and class scores, pooled over the window."""

    type: Literal["yamnet"] = "yamnet"


class MlpMappingConfig(Part):
    """Features -> prefix through one hidden layer."""

    type: Literal["mlp"] = "mlp"
    prefix_length: int = 8
    hidden: int = 512


class TokenEmbeddingsConfig(Part):
    """Prompts go through the language model's own token embeddings, unmapped."""

    type: Literal["token_embeddings"] = "token_embeddings"
    max_prompt_tokens: int = 40
    """Longer prompts are cut at their end"""


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
    audio_encoder: YamnetConfig = YamnetConfig()
    audio_mapping: MlpMappingConfig = MlpMappingConfig()
    text: TokenEmbeddingsConfig = TokenEmbeddingsConfig()
    language_model: LanguageModelConfig
    ranking: RankingConfig = Field(default=RankingConfig())

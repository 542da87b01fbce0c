"""What a checkpoint is made of. `base` and `base_no_text_enc` are such configs too, not other models."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

YAMNET_SAMPLE_RATE = 16_000

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


class SoundMappingConfig(Part):
    """Features -> which sounds are heard -> prefix, a place for each of the likeliest."""

    type: Literal["sounds"] = "sounds"
    prefix_length: int = 8
    sounds: int
    """Sounds that have names; YAMNet's classes come first"""
    known: int = 192
    """Size of what tells sounds with recordings apart"""
    prototypes: int = 600
    """Centres of the training windows"""


class SiteMappingConfig(Part):
    """What fine-tuning makes of a mapping: detectors of a site's own sounds beside it."""

    type: Literal["site"] = "site"
    base: MlpMappingConfig | SoundMappingConfig = Field(discriminator="type")
    captions: PositiveInt

    @property
    def prefix_length(self) -> int:
        return self.base.prefix_length


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

    vocabulary: PositiveInt
    positions: PositiveInt
    width: PositiveInt
    layers: PositiveInt
    heads: PositiveInt
    stop_token: NonNegativeInt

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        if self.stop_token >= self.vocabulary:
            raise ValueError(f"stop_token {self.stop_token} is not in a vocabulary of {self.vocabulary}")
        return self


class RankingConfig(Part):
    """How labels are compared."""

    length_normalized: bool = False
    prior_corrected: bool = True
    """Subtract a label's log-likelihood without audio: what is common in texts is not more likely to be heard"""
    reworded: bool | None = None
    """Rank a label by the best of its wordings: without `my` and `the`, in the singular"""


class ConfidenceConfig(Part):
    """How likely a text is right: a logistic function of the evidence for it (`confidence.Evidence`), as measured by
    `pengi-stream train calibrate`."""

    prompts: str
    """Pattern (fnmatch) of the prompts that it holds for; the first row that fits counts"""
    bias: float
    likelihood: NonNegativeFloat
    sound: NonNegativeFloat
    gain: NonNegativeFloat


class PengiConfig(Part):
    """A checkpoint's config.json."""

    version: Literal[1] = 1
    sample_rate: PositiveInt
    """Hertz"""
    window_samples: PositiveInt
    hop_grid_samples: PositiveInt
    audio_encoder: YamnetConfig | HtsatConfig = Field(default=YamnetConfig(), discriminator="type")
    audio_mapping: MlpMappingConfig | SoundMappingConfig | SiteMappingConfig | TransformerMappingConfig = Field(
        default=MlpMappingConfig(), discriminator="type"
    )
    text: TokenEmbeddingsConfig | MappedTokensConfig | ClipTextConfig = Field(
        default=TokenEmbeddingsConfig(), discriminator="type"
    )
    language_model: LanguageModelConfig
    ranking: RankingConfig = Field(default=RankingConfig())
    joints: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """What stands between the parts of a text, such as ` or `; a part that was said before is left out"""
    confidence: tuple[ConfidenceConfig, ...] | None = None
    """Without it a text's confidence is the geometric mean of its tokens' probabilities"""

    @model_validator(mode="after")
    def _suits_yamnet(self) -> Self:
        if isinstance(self.audio_encoder, YamnetConfig) and self.sample_rate != YAMNET_SAMPLE_RATE:
            raise ValueError(f"sample_rate is {self.sample_rate}, expected YAMNet's {YAMNET_SAMPLE_RATE}")
        return self

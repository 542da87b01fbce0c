"""The published checkpoints: what they are made of, and how their files are read, safely and whoever wrote them."""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from pengi_stream.errors import CheckpointError
from pengi_stream.models.pengi.config import (
    ClipTextConfig,
    HtsatConfig,
    LanguageModelConfig,
    MappedTokensConfig,
    PengiConfig,
    RankingConfig,
    TransformerMappingConfig,
)

SAMPLE_RATE = 44_100
GPT2 = LanguageModelConfig(
    vocabulary=50_257,
    positions=1024,
    width=768,
    layers=12,
    heads=12,
    stop_token=220,  # the first of " <|endoftext|>"
)


def _published(text: ClipTextConfig | MappedTokensConfig) -> PengiConfig:
    return PengiConfig(
        sample_rate=SAMPLE_RATE,
        window_samples=7 * SAMPLE_RATE,
        hop_grid_samples=1,
        audio_encoder=HtsatConfig(),
        audio_mapping=TransformerMappingConfig(),
        text=text,
        language_model=GPT2,
        ranking=RankingConfig(prior_corrected=False),
    )


PUBLISHED: Mapping[str, PengiConfig] = {
    "base": _published(ClipTextConfig()),
    "base_no_text_enc": _published(MappedTokensConfig(suffix=" <|endoftext|>")),
}
"""The configurations of Zenodo record 8387083, by the names of their files"""

WRAPPER = "module."  # what DataParallel puts before every key
DAMAGED = (
    *(RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, AssertionError),
    *(struct.error, zipfile.BadZipFile),
)


def read_published(path: Path) -> dict[str, Tensor]:
    """The tensors of a published checkpoint by their published names: `{"model": ...}` or a bare state dict.

    Unpickles nothing but tensors. Raises CheckpointError."""
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{path} is refused: it holds more than tensors, or is no PyTorch checkpoint") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    except DAMAGED as error:
        raise CheckpointError(f"{path} is not a PyTorch checkpoint, or it is damaged") from error
    state = loaded.get("model", loaded) if isinstance(loaded, dict) else loaded
    if not (isinstance(state, dict) and state and all(isinstance(value, Tensor) for value in state.values())):
        raise CheckpointError(f'{path} holds no state dict; expected {{"model": {{name: tensor}}}} or {{name: tensor}}')
    if all(name.startswith(WRAPPER) for name in state):
        return {name.removeprefix(WRAPPER): tensor for name, tensor in state.items()}
    return dict(state)

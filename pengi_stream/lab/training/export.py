"""The checkpoint folder of a trained model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from pengi_stream.lab.training.texts.vocabulary import end_id
from pengi_stream.lab.training.texts.writer import ALTERNATIVES
from pengi_stream.models.pengi.audio.yamnet import (
    PATCH_HOP_SAMPLES,
    SAMPLE_RATE,
    Yamnet,
    converted_state,
    window_samples,
)
from pengi_stream.models.pengi.checkpoint import save_checkpoint
from pengi_stream.models.pengi.config import LanguageModelConfig, PengiConfig, RankingConfig, SoundMappingConfig
from pengi_stream.models.pengi.network import Pengi
from pengi_stream.sounds.words import load_sounds

PATCHES = 13
WINDOW_SAMPLES = window_samples(PATCHES)  # 107760 samples, 6.735 s
POSITIONS = 96
ENCODER_SOURCE = Path("yamnet/yamnet_fp32.npz")


def mini_config(tokenizer: Tokenizer, layers: int = 4, width: int = 256) -> PengiConfig:
    """The configuration of `mini`."""
    return PengiConfig(
        sample_rate=SAMPLE_RATE,
        window_samples=WINDOW_SAMPLES,
        hop_grid_samples=PATCH_HOP_SAMPLES,
        audio_mapping=SoundMappingConfig(sounds=len(load_sounds())),
        ranking=RankingConfig(reworded=True),
        joints=ALTERNATIVES,
        language_model=LanguageModelConfig(
            vocabulary=tokenizer.get_vocab_size(),
            positions=POSITIONS,
            width=width,
            layers=layers,
            heads=width // 64,
            stop_token=end_id(tokenizer),
        ),
    )


def load_encoder(data: Path) -> Yamnet:
    """YAMNet with the published weights of `data`. Raises FileNotFoundError."""
    encoder = Yamnet()
    with np.load(data / ENCODER_SOURCE) as arrays:
        encoder.load_state_dict(converted_state(arrays))
    return encoder.eval()


def new_network(config: PengiConfig, data: Path) -> Pengi:
    """An untrained Pengi around the published encoder."""
    network = Pengi(config)
    network.audio_encoder.yamnet = load_encoder(data)
    network.audio_encoder.requires_grad_(requires_grad=False)
    return network


def export(network: Pengi, config: PengiConfig, tokenizer: Tokenizer, folder: Path) -> None:
    """Write the checkpoint folder; what else is in it, such as a model card, stays."""
    save_checkpoint(folder, config, network, tokenizer)

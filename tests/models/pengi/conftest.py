"""A small Pengi with random weights: what it says is nonsense, how it says it must be right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from pengi_stream.models.pengi.audio.yamnet import PATCH_HOP_SAMPLES, SAMPLE_RATE, window_samples
from pengi_stream.models.pengi.checkpoint import load_checkpoint, save_checkpoint
from pengi_stream.models.pengi.config import LanguageModelConfig, MlpMappingConfig, PengiConfig
from pengi_stream.models.pengi.model import PengiModel
from pengi_stream.models.pengi.network import Pengi
from pengi_stream.options import Prompt
from pengi_stream.types import Request, Samples, Stream, Window

WORDS = ["generate audio caption", "this is a sound of", "a dog barks", "rain falls on a roof", "a person speaks"]


def tiny_config() -> PengiConfig:
    return PengiConfig(
        sample_rate=SAMPLE_RATE,
        window_samples=window_samples(3),
        hop_grid_samples=PATCH_HOP_SAMPLES,
        audio_mapping=MlpMappingConfig(prefix_length=4, hidden=32),
        language_model=LanguageModelConfig(vocabulary=400, positions=96, width=32, layers=2, heads=4, stop_token=0),
    )


def tiny_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=["<end>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator(WORDS * 20, trainer)
    return tokenizer


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder."""
    torch.manual_seed(7)
    network = Pengi(tiny_config())
    for parameter in network.parameters():  # lively enough that windows and prompts make a difference
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.5)
        elif parameter.ndim == 4:
            torch.nn.init.kaiming_normal_(parameter)
    with torch.inference_mode():
        features = network.audio_encoder(torch.from_numpy(np.stack([sound(seed) for seed in range(16)])))
    network.audio_mapper.mean, network.audio_mapper.deviation = features.mean(0), features.std(0) + 0.01
    place = tmp_path_factory.mktemp("tiny")
    save_checkpoint(place, tiny_config(), network, tiny_tokenizer())
    return place


@pytest.fixture(scope="session")
def model(folder: Path) -> PengiModel:
    return PengiModel(load_checkpoint(str(folder)), torch.device("cpu"), torch.float32)


@pytest.fixture(scope="session")
def ask() -> Callable[[PengiModel, int, Prompt], Request]:
    """Makes questions."""
    return request_of


def sound(seed: int) -> Samples:
    """A tone in noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(tiny_config().window_samples) / SAMPLE_RATE
    tone = np.sin(2 * np.pi * rng.uniform(100, 6_000) * time)
    return (0.3 * tone + rng.normal(0, rng.uniform(0.001, 0.3), len(time))).astype(np.float32)


def request_of(model: PengiModel, seed: int, prompt: Prompt) -> Request:
    """A question about a sound that depends on `seed` alone."""
    samples = sound(seed)
    window = Window(Stream("test"), 0, 0, samples, len(samples), model.sample_rate, 0, 0, 0.0)
    return Request(window, prompt)

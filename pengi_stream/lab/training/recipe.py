"""The steps that make `mini`, and where each leaves what the next needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from pengi_stream.errors import ConfigError
from pengi_stream.lab.clips import AUDIOCAPS, LABELS, Clip, read_clips
from pengi_stream.lab.training.data.features import Features, cache_features, load_features
from pengi_stream.lab.training.data.music import render_music
from pengi_stream.lab.training.data.simulate import Patches
from pengi_stream.lab.training.data.speech import render_speech
from pengi_stream.lab.training.data.windows import WindowMaker, plan_windows, tone_clips
from pengi_stream.lab.training.export import (
    ENCODER_SOURCE,
    WINDOW_SAMPLES,
    export,
    load_encoder,
    mini_config,
    new_network,
)
from pengi_stream.lab.training.language import make_vocabulary, new_language_model, train_language_model
from pengi_stream.lab.training.listening import hear, set_prototypes, set_usual, standardize, train_listener
from pengi_stream.lab.training.loop import Schedule
from pengi_stream.lab.training.mapping import Speaker, set_names, train_speaking
from pengi_stream.lab.training.texts.corpus import ONTOLOGY, Corpus, read_corpus
from pengi_stream.lab.training.texts.examples import ExampleMaker, RealWindows
from pengi_stream.lab.training.texts.hearing import Kinship
from pengi_stream.lab.training.texts.vocabulary import load_vocabulary
from pengi_stream.models.pengi.audio.listener import SoundMapper
from pengi_stream.models.pengi.audio.mapper import pool
from pengi_stream.models.pengi.audio.yamnet import Yamnet
from pengi_stream.models.pengi.config import PengiConfig
from pengi_stream.models.pengi.network import Pengi
from pengi_stream.sounds.words import load_labels

UTTERANCES, PIECES, MIXTURES = 300, 400, 2500


@dataclass(frozen=True, slots=True)
class Recipe:
    """One run of the recipe."""

    data: Path
    """The folder with labels.csv, audio/, captions/ and yamnet/"""
    work: Path
    """Where everything made on the way is kept"""
    seed: int = 1

    def __post_init__(self) -> None:
        for path in (LABELS, AUDIOCAPS.format("train"), ONTOLOGY, ENCODER_SOURCE):
            if not (self.data / path).is_file():
                raise ConfigError(f"{self.data} has no {path}; docs/training.md says what the folder needs")

    @property
    def config(self) -> PengiConfig:
        """The configuration of the model, with the vocabulary that was made."""
        return mini_config(load_vocabulary(self.work / "tokenizer.json"))

    def prepare(self) -> None:
        """Render speech and music, make all windows, and keep what the encoder says of them."""
        corpus = read_corpus(self.data)
        clips = [*read_clips(self.data), *tone_clips(), *self._rendered(corpus.captions)]
        plans = plan_windows(clips, MIXTURES, self.seed)
        encoder = load_encoder(self.data)
        maker = WindowMaker(load_labels(), WINDOW_SAMPLES)
        cache_features(self.work / "features", plans, maker, lambda samples: _encode(encoder, samples))

    def _rendered(self, texts: Sequence[str]) -> list[Clip]:
        spoken = render_speech(self.work / "speech", list(texts[:5000]), UTTERANCES, self.seed)
        pieces = render_music(self.work / "music", PIECES, self.seed)
        clips = [Clip(path, "speech", "speech", "train") for path in spoken]
        return clips + [Clip(piece.path, piece.label, "music", "train") for piece in pieces]

    def train_language_model(self, steps: int) -> None:
        """Make the vocabulary and train the language model on sentences."""
        corpus = read_corpus(self.data)
        vocabulary = self.work / "tokenizer.json"
        if not vocabulary.exists():
            make_vocabulary(corpus, self.seed).save(str(vocabulary))
        torch.manual_seed(self.seed)
        model = new_language_model(self.config.language_model)
        tokenizer = load_vocabulary(vocabulary)
        schedule = Schedule(steps, learning_rate=1.5e-3)
        train_language_model(model, corpus, tokenizer, schedule, self.work / "language_model.pt", self.seed)

    def train_mapper(self, listening_steps: int, speaking_steps: int) -> None:
        """Train the listener on recordings, then teach mapper and language model to say what it hears."""
        corpus, tokenizer = read_corpus(self.data), load_vocabulary(self.work / "tokenizer.json")
        features = load_features(self.work / "features").split("train")
        torch.manual_seed(self.seed)
        speaker = self._speaker()
        mapper = speaker.mapper
        set_names(mapper, speaker.language_model, [sound.label for sound in corpus.sounds.values()], tokenizer)
        pooled = _pooled(features)
        standardize(mapper, pooled)
        set_usual(mapper)
        standardized = mapper.embedding(pooled)
        set_prototypes(mapper, standardized, self.seed)
        index = {name: number for number, name in enumerate(corpus.sounds)}
        sounds = [[index[name] for name in facts.sounds] for facts in features.facts]
        listening = Schedule(listening_steps, learning_rate=1e-3)
        train_listener(mapper.listener, standardized, sounds, listening, self.work / "listening.pt", self.seed)
        heard = RealWindows(hear(mapper, standardized), [facts.scene for facts in features.facts])
        maker = _example_maker(corpus, heard, mapper.listed)
        speaking = Schedule(speaking_steps, learning_rate=1e-3)
        train_speaking(speaker, maker, tokenizer, speaking, self.work / "speaking.pt", self.seed)

    def export(self, folder: Path) -> None:
        """Write the checkpoint folder of what was trained."""
        state = _model_state(self.work / "speaking.pt", "mapper")
        network = new_network(self.config, self.data)
        network.audio_mapper.load_state_dict(_part(state, "mapper."))
        network.language_model.load_state_dict(_part(state, "language_model."))
        export(network, self.config, load_vocabulary(self.work / "tokenizer.json"), folder)

    def _speaker(self) -> Speaker:
        state = _model_state(self.work / "language_model.pt", "language-model")
        config = self.config
        language_model = new_language_model(config.language_model)
        language_model.load_state_dict(state)
        mapper = Pengi(config).audio_mapper
        if not isinstance(mapper, SoundMapper):
            raise TypeError(f"found the mapper {type(mapper).__name__}, expected one of sounds")
        return Speaker(mapper, language_model)


def _encode(encoder: Yamnet, samples: Tensor) -> Patches:
    with torch.inference_mode():
        return Patches(*encoder(samples))


def _pooled(features: Features, size: int = 500) -> Tensor:
    patches = features.patches
    parts = range(0, len(patches.embeddings), size)
    return torch.cat(
        [pool(patches.embeddings[i : i + size].float(), patches.logits[i : i + size].float()) for i in parts]
    )


def _example_maker(corpus: Corpus, real: RealWindows, listed: int) -> ExampleMaker:
    names = list(corpus.sounds)
    captions = [content for content in corpus.contents if any(name in corpus.sounds for name in content.sounds)]
    kinship = Kinship(corpus.parents, {n: frozenset({s.label, s.clauses[0]}) for n, s in corpus.sounds.items()})
    return ExampleMaker(real, captions, corpus.writer(), kinship, names, listed)


def _model_state(checkpoint: Path, step: str) -> dict[str, Tensor]:
    if not checkpoint.exists():
        raise ConfigError(f"{checkpoint} is missing; run `pengi-stream train {step}` first")
    state: dict[str, Tensor] = torch.load(checkpoint, weights_only=True)["model"]
    return state


def _part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}

"""Fine-tuning: a checkpoint learns what a site's own sounds are called, in minutes on a laptop.

Each caption gets a detector, which rises for windows of its clips and stays down for other sounds
(`finetune_detectors.py`), and a prefix of its own that is added then (`models/pengi/site_mapper.py`). Encoder and
mapper stay as they are, so a window that no detector knows gives the prefix that it always gave. The language model
learns to say the captions, and is held to what it said before (`finetune_speech.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from pengi_stream.errors import ConfigError
from pengi_stream.lab.training.finetune.clips import CaptionedClip, make_windows
from pengi_stream.lab.training.finetune.detectors import fit_detectors
from pengi_stream.lab.training.finetune.rehearsal import encode, other_sounds
from pengi_stream.lab.training.finetune.speech import Memory, learn
from pengi_stream.models.pengi.audio.listener import SoundMapper
from pengi_stream.models.pengi.audio.mapper import MlpMapper, YamnetEncoder, pool
from pengi_stream.models.pengi.audio.site_mapper import share_known, widened
from pengi_stream.models.pengi.checkpoint import Checkpoint
from pengi_stream.models.pengi.config import MlpMappingConfig, PengiConfig, SiteMappingConfig, SoundMappingConfig

MOST_CAPTIONS = 256
REMEMBERED = 1200
"""Windows of other sounds of which the language model keeps what it said"""


@dataclass(frozen=True, slots=True)
class Finetuned:
    """What came of it; the checkpoint's network has the new weights."""

    config: PengiConfig
    recognised: float
    """Share of the clips' windows, most of them disturbed, that the detectors know"""
    mistaken: float
    """Share of other sounds' windows that they take for one of the clips'"""


def finetune(checkpoint: Checkpoint, clips: Sequence[CaptionedClip], steps: int, seed: int) -> Finetuned:
    """Teach the checkpoint the captions of `clips`. Raises ConfigError for a model of another kind than mini."""
    network, tokenizer = checkpoint.network, checkpoint.tokenizer
    encoder, mapper, mapping = network.audio_encoder, network.audio_mapper, checkpoint.config.audio_mapping
    if not (
        isinstance(encoder, YamnetEncoder)
        and isinstance(mapper, MlpMapper | SoundMapper)
        and isinstance(mapping, MlpMappingConfig | SoundMappingConfig)
    ):
        raise ConfigError(
            "found a checkpoint that cannot be fine-tuned (again); start from mini, with all of your clips"
        )
    captions = list(dict.fromkeys(clip.caption for clip in clips))
    if len(captions) > MOST_CAPTIONS:
        raise ConfigError(f"found {len(captions)} different captions, expected at most {MOST_CAPTIONS}; let some agree")
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    windows, spoken = make_windows(clips, checkpoint.config.window_samples, seed)
    patches = encode(encoder.yamnet, windows)
    with torch.no_grad():
        own = mapper.embedding(pool(patches.embeddings, patches.logits))
        other = mapper.embedding(other_sounds(encoder.yamnet, patches, generator))
        owners = torch.tensor([captions.index(clip.caption) for clip in spoken])
        detectors = fit_detectors(own, owners, other)
        prefixes = mapper.mapped(own)
        blank = torch.zeros(len(captions), prefixes[0].numel())
        heights = widened(mapper, detectors, blank, mapping.prefix_length).heights(own)
        remembered = other[torch.randperm(len(other), generator=generator)[:REMEMBERED]]
        remembered[:: len(remembered) // 32 + 1] = 0  # no audio
        memory = Memory(network.language_model, tokenizer, mapper.mapped(remembered), seed)
    added = learn(network.language_model, memory, (prefixes, heights), spoken, tokenizer, steps, seed)
    network.audio_mapper = widened(mapper, detectors, added, mapping.prefix_length)
    site = SiteMappingConfig(base=mapping, captions=len(captions))
    with torch.no_grad():
        mistaken = share_known(network.audio_mapper.heights(other))
    config = checkpoint.config.model_copy(update={"audio_mapping": site})
    return Finetuned(config, share_known(heights), mistaken)

"""Fine-tuning: a checkpoint learns what a site's own sounds are called, in minutes on a laptop.

Each caption gets two hidden units in the mapper, which rise for windows of its clips and stay down for other sounds,
and a prefix of its own that they add (`finetune_detectors.py`). All other weights of encoder and mapper stay, so a
window that the new units do not know gives the prefix that it always gave. The language model learns to say the
captions, and is held to what it said before (`finetune_speech.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from pengi_stream.errors import ConfigError
from pengi_stream.models.pengi.checkpoint import Checkpoint
from pengi_stream.models.pengi.config import MlpMappingConfig, PengiConfig
from pengi_stream.models.pengi.mapper import MlpMapper, YamnetEncoder, pool
from pengi_stream.training.finetune_clips import CaptionedClip, make_windows
from pengi_stream.training.finetune_detectors import Detectors, grown, share_known
from pengi_stream.training.finetune_rehearsal import encode, other_sounds
from pengi_stream.training.finetune_speech import Memory, learn

MOST_CAPTIONS = 256
REMEMBERED = 600
"""Windows of other sounds of which the language model keeps what it said"""


@dataclass(frozen=True, slots=True)
class Finetuned:
    """What came of it; the checkpoint's network has the new weights."""

    config: PengiConfig
    recognised: float
    """Share of the clips' windows, most of them disturbed, that the new units know"""
    mistaken: float
    """Share of other sounds' windows that they take for one of the clips'"""


def finetune(checkpoint: Checkpoint, clips: Sequence[CaptionedClip], steps: int, seed: int) -> Finetuned:
    """Teach the checkpoint the captions of `clips`. Raises ConfigError for a model of another kind than mini."""
    network, tokenizer = checkpoint.network, checkpoint.tokenizer
    encoder, mapper = network.audio_encoder, network.audio_mapper
    if not (isinstance(encoder, YamnetEncoder) and isinstance(mapper, MlpMapper)):
        raise ConfigError("found a checkpoint of another kind than mini; start from mini, or from what was made of it")
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
        detectors = Detectors(own, torch.tensor([captions.index(clip.caption) for clip in spoken]), other)
        heights = detectors.heights(own)
        remembered = other[torch.randperm(len(other), generator=generator)[:REMEMBERED]]
        memory = Memory(network.language_model, tokenizer, mapper.mapped(remembered), seed)
        prefixes = mapper.mapped(own)
    added = learn(network.language_model, memory, (prefixes, heights), spoken, tokenizer, steps, seed)
    network.audio_mapper = grown(mapper, detectors, added)
    mapping = MlpMappingConfig(prefix_length=mapper.prefix_length, hidden=network.audio_mapper.linear1.out_features)
    config = checkpoint.config.model_copy(update={"audio_mapping": mapping})
    return Finetuned(config, share_known(heights), share_known(detectors.heights(other)))

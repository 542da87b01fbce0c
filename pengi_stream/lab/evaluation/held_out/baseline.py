"""What YAMNet's own class names say of held-out recordings, judged as the model's texts are."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pengi_stream.lab.evaluation.held_out.clips import HeldOutClip, windows_of
from pengi_stream.lab.evaluation.proportion import Proportion
from pengi_stream.models.pengi.audio.mapper import YamnetEncoder
from pengi_stream.models.pengi.audio.yamnet import CLASSES, SILENCE
from pengi_stream.models.pengi.network import Pengi
from pengi_stream.protocols import AudioLanguageModel
from pengi_stream.sounds.words import load_sounds

TOP = (1, 3)


def top_classes(
    network: Pengi, model: AudioLanguageModel, clips: Sequence[HeldOutClip]
) -> dict[int, Proportion] | None:
    """How often one of the first 1 or 3 classes, by their mean scores, has a right word; None without YAMNet."""
    encoder = network.audio_encoder
    if not isinstance(encoder, YamnetEncoder):
        return None
    names = list(load_sounds())[:CLASSES]
    right = dict.fromkeys(TOP, 0)
    for clip, window in zip(clips, windows_of(clips, model), strict=True):
        best = _best(encoder, torch.from_numpy(window.samples))
        for count in TOP:
            right[count] += any(clip.right.name(names[index]) for index in best[:count])
    return {count: Proportion(hits, len(clips)) for count, hits in right.items()}


def _best(encoder: YamnetEncoder, samples: torch.Tensor) -> list[int]:
    with torch.inference_mode():
        logits = encoder.yamnet(samples[None])[1][0]  # (patches, classes)
    silent = logits[:, SILENCE] > 0
    heard = logits if bool(silent.all()) else logits[~silent]
    best: list[int] = heard.sigmoid().mean(dim=0).topk(max(TOP)).indices.tolist()
    return best

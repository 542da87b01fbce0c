"""What the published checkpoints call the weights, and what we call them."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from pengi_stream.errors import CheckpointError

PREFIXES: Mapping[str, str] = {
    "audio_encoder.htsat.frontend.window": "audio_encoder.base.htsat.spectrogram_extractor.stft.conv_real.weight",
    "audio_encoder.htsat.frontend.mel": "audio_encoder.base.htsat.logmel_extractor.melW",
    "audio_encoder.htsat.": "audio_encoder.base.htsat.",
    "prompt_encoder.clip.token_embedding.": "caption_encoder.base.embeddings.token_embedding.",
    "prompt_encoder.clip.position_embedding.": "caption_encoder.base.embeddings.position_embedding.",
    "prompt_encoder.clip.layers.": "caption_encoder.base.encoder.layers.",
    "prompt_encoder.clip.text_projection.": "caption_encoder.clip_text_projection.",
    "prompt_encoder.clip.": "caption_encoder.base.",
    "prompt_encoder.": "caption_encoder.",
    "audio_mapper.": "caption_decoder.audio_project.",
    "prompt_mapper.": "caption_decoder.text_project.",
    "language_model.": "caption_decoder.gpt.transformer.",
}
"""Ours to theirs; the first that fits counts, and names that none fits are the same."""

WINDOW = "stft.conv_real.weight"
TRANSPOSED = re.compile(r"caption_decoder\.gpt\.transformer\.h\.\d+\.(attn|mlp)\.c_\w+\.weight")
LM_HEAD = "caption_decoder.gpt.lm_head.weight"
TOKEN_EMBEDDINGS = "caption_decoder.gpt.transformer.wte.weight"  # noqa: S105

UNUSED = re.compile(
    r"audio_encoder\.base\.htsat\.(head|tscam_conv)\..*"  # AudioSet's classes
    r"|audio_encoder\.base\.htsat\.spectrogram_extractor\.stft\.conv_imag\.weight"  # the real part holds the window
    r"|.*\.(relative_position_index|attn_mask|num_batches_tracked|position_ids)"
    r"|caption_decoder\.gpt\.transformer\.h\.\d+\.attn\.(bias|masked_bias)"  # causal masks of old GPT-2 checkpoints
    rf"|{re.escape(LM_HEAD)}"  # tied to the token embeddings
)
"""Keys that may be there, and have no counterpart: unused by Pengi, or computed."""

NAMED = 5
"""Keys that an error names"""


def published_name(name: str) -> str:
    """What the published checkpoints call our `name`."""
    for ours, theirs in PREFIXES.items():
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    return name


def rename_published(state: Mapping[str, Tensor], expected: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """The tensors of `state` by our names, which `expected` lists with their shapes.

    Raises CheckpointError that names the keys that are missing, extra or of another shape."""
    shapes = {published_name(name): _published_shape(published_name(name), shape) for name, shape in expected.items()}
    complaints = {
        "missing": [name for name in shapes if name not in state],
        "extra": [name for name in state if name not in shapes and not UNUSED.fullmatch(name)],
        "mis-shaped": [
            f"{name} {list(state[name].shape)} instead of {list(shape)}"
            for name, shape in shapes.items()
            if name in state and state[name].shape != shape
        ],
    }
    found = "; ".join(f"{what}: {_listing(names)}" for what, names in complaints.items() if names)
    if found:
        raise CheckpointError(f"the checkpoint is of another architecture; {found}")
    if LM_HEAD in state and not torch.equal(state[LM_HEAD], state[TOKEN_EMBEDDINGS]):
        raise CheckpointError(f"{LM_HEAD} differs from the token embeddings; expected a model in which they are tied")
    return {name: _ours(published_name(name), state[published_name(name)]) for name in expected}


def _published_shape(name: str, shape: torch.Size) -> torch.Size:
    if name.endswith(WINDOW):
        return torch.Size((shape[0] // 2 + 1, 1, shape[0]))
    return shape[::-1] if TRANSPOSED.fullmatch(name) else shape


def _ours(name: str, tensor: Tensor) -> Tensor:
    if name.endswith(WINDOW):
        return tensor[0, 0]  # the real part at 0 Hz is the window itself
    return tensor.T if TRANSPOSED.fullmatch(name) else tensor


def _listing(names: list[str]) -> str:
    shown = ", ".join(names[:NAMED])
    return f"{shown} and {len(names) - NAMED} more" if len(names) > NAMED else shown

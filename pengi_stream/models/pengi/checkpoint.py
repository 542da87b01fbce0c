"""Checkpoint folders: config.json, model.safetensors, tokenizer.json, and what the config asks for beside them.

That is encoder.safetensors for an encoder that was trained elsewhere, and prompt_tokenizer.json for prompts that are
not read as the language model's own tokens.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor

from pengi_stream.errors import CheckpointError
from pengi_stream.models.pengi.config import (
    ClipTextConfig,
    PengiConfig,
    PromptNormalization,
    TokenEmbeddingsConfig,
    YamnetConfig,
)
from pengi_stream.models.pengi.folder import CONFIG_FILE, checkpoint_folder, read_config
from pengi_stream.models.pengi.network import Pengi

TOKENIZER_FILE, PROMPT_TOKENIZER_FILE = "tokenizer.json", "prompt_tokenizer.json"
CHECKSUMS_FILE = "SHA256SUMS"
CHECKED_SUFFIXES = {".json", ".safetensors"}
ENCODER_FILE, MODEL_FILE = "encoder.safetensors", "model.safetensors"
ENCODER_PREFIX = "audio_encoder."
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a folder holds, loaded."""

    config: PengiConfig
    network: Pengi
    tokenizer: Tokenizer
    prompt_tokenizer: Tokenizer
    checksum: str
    """Short SHA-256 of the weights, config and tokenizers"""


def load_checkpoint(name: str, prompt_normalization: PromptNormalization | None = None) -> Checkpoint:
    """Load `mini` or a folder, in float32 on the CPU; without `prompt_normalization`, as its config says.

    Raises CheckpointError, which names what is wrong."""
    folder = checkpoint_folder(name)
    config = _config(folder / CONFIG_FILE, prompt_normalization)
    with torch.device("meta"):
        network = Pengi(config)
    state: dict[str, Tensor] = {}
    for file in weight_files(config):
        state |= _read(folder / file)
    _check_state(folder, network.state_dict(), state)
    network.load_state_dict({name: tensor.float() for name, tensor in state.items()}, assign=True)
    tokenizer = _tokenizer(folder / TOKENIZER_FILE)
    found, expected = tokenizer.get_vocab_size(), config.language_model.vocabulary
    if found > expected:
        raise CheckpointError(f"{folder / TOKENIZER_FILE} has {found} tokens, expected at most the model's {expected}")
    own = isinstance(config.text, TokenEmbeddingsConfig)
    prompt_tokenizer = tokenizer if own else _tokenizer(folder / PROMPT_TOKENIZER_FILE)
    return Checkpoint(config, network.eval(), tokenizer, prompt_tokenizer, _checksum(folder, config))


def weight_files(config: PengiConfig) -> tuple[str, ...]:
    """Names of the files that hold the weights."""
    return (ENCODER_FILE, MODEL_FILE) if isinstance(config.audio_encoder, YamnetConfig) else (MODEL_FILE,)


def save_checkpoint(folder: Path, config: PengiConfig, network: Pengi, tokenizer: Tokenizer) -> None:
    """Write a folder of YAMNet's kind that `load_checkpoint` reads; weights in half precision, but for what is no
    weight."""
    folder.mkdir(parents=True, exist_ok=True)
    buffers = {name for name, _ in network.named_buffers()}
    state = {
        name: (tensor if name in buffers else tensor.half()).contiguous()
        for name, tensor in network.state_dict().items()
    }
    encoder = {name: tensor for name, tensor in state.items() if name.startswith(ENCODER_PREFIX)}
    save_file(encoder, folder / ENCODER_FILE)
    save_file({name: tensor for name, tensor in state.items() if name not in encoder}, folder / MODEL_FILE)
    (folder / CONFIG_FILE).write_text(config.model_dump_json(indent=2, exclude_none=True) + "\n")
    for file in (ENCODER_FILE, MODEL_FILE):  # safetensors writes for its owner alone; a service may be another user
        (folder / file).chmod((folder / CONFIG_FILE).stat().st_mode)
    tokenizer.save(str(folder / TOKENIZER_FILE))
    write_checksums(folder)


def write_checksums(folder: Path) -> None:
    """Write what `sha256sum --check` and `load_checkpoint` compare the files of `folder` with."""
    files = [path for path in sorted(folder.iterdir()) if path.suffix in CHECKED_SUFFIXES]
    lines = [f"{_sha256(path).hex()}  {path.name}\n" for path in files]
    (folder / CHECKSUMS_FILE).write_text("".join(lines))


def _config(path: Path, prompt_normalization: PromptNormalization | None) -> PengiConfig:
    config = read_config(path.parent)
    if prompt_normalization is None:
        return config
    if not isinstance(config.text, ClipTextConfig):
        raise CheckpointError(
            f"{path}: prompt_normalization is for models with a text encoder, found {config.text.type}"
        )
    text = config.text.model_copy(update={"normalization": prompt_normalization})
    return config.model_copy(update={"text": text})


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing; the checkpoint is not complete") from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or no safetensors file: {error}") from error


def _check_state(folder: Path, expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    problems = [f"{name} is missing" for name in expected if name not in found]
    problems += [f"{name} is not expected" for name in found if name not in expected]
    problems += [
        f"{name} has the shape {tuple(found[name].shape)}, expected {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in found and found[name].shape != tensor.shape
    ]
    if problems:
        more = f", and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise CheckpointError(f"{folder}: does not fit its config.json: {', '.join(problems[:SHOWN])}{more}")


def _tokenizer(path: Path) -> Tokenizer:
    if not path.is_file():
        raise CheckpointError(f"{path} is missing; the checkpoint is not complete")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing narrower
        raise CheckpointError(f"{path} is damaged or no tokenizer file: {error}") from error


def _checksum(folder: Path, config: PengiConfig) -> str:
    """Of the config as it is used, and of the files, which must be those that were written."""
    files = [*weight_files(config), TOKENIZER_FILE]
    if not isinstance(config.text, TokenEmbeddingsConfig):
        files.append(PROMPT_TOKENIZER_FILE)
    digest = hashlib.sha256(config.model_dump_json(exclude_none=True).encode())
    written = _written_checksums(folder)
    for file in files:
        found = _sha256(folder / file)
        if written.get(file, found.hex()) != found.hex():
            raise CheckpointError(f"{folder / file} is damaged: its SHA-256 is not the one in {CHECKSUMS_FILE}")
        digest.update(found)
    return digest.hexdigest()[:12]


def _written_checksums(folder: Path) -> dict[str, str]:
    path = folder / CHECKSUMS_FILE
    if not path.is_file():
        return {}
    try:
        return {file: digest for digest, file in (line.split("  ", 1) for line in path.read_text().splitlines())}
    except ValueError as error:  # bytes that are no text among them
        raise CheckpointError(f"{path} is damaged, expected lines as sha256sum writes them; write it again") from error


def _sha256(path: Path) -> bytes:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").digest()

"""A published checkpoint -> a self-contained folder that loads without any network."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from pengi_stream.errors import CheckpointError, ConfigError
from pengi_stream.models.pengi.checkpoint import (
    MODEL_FILE,
    PROMPT_TOKENIZER_FILE,
    TOKENIZER_FILE,
    write_checksums,
)
from pengi_stream.models.pengi.config import ClipTextConfig, PengiConfig
from pengi_stream.models.pengi.folder import CONFIG_FILE
from pengi_stream.models.pengi.network import Pengi
from pengi_stream.models.pengi.published.files import PUBLISHED, read_published
from pengi_stream.models.pengi.published.names import rename_published
from pengi_stream.models.pengi.published.tokenizers import clip_tokenizer, gpt2_tokenizer
from pengi_stream.plugins import suggest

PROMPT_TOKENS = 40
"""Longer prompts are cut, as by the published code; CLIP's keep their end mark."""


def convert_published(source: Path, name: str, output: Path, tokenizers: Path | None = None) -> None:
    """Write the folder `output` from the published checkpoint `source` of the configuration `name`.

    `tokenizers` is a folder with gpt2/ and clip/; without it, transformers fetches them. Raises ConfigError on a name
    that was not published, CheckpointError on all that is wrong with the files; then there is no `output`."""
    if name not in PUBLISHED:
        raise ConfigError(f"no published configuration {name!r}; {suggest(name, PUBLISHED)}")
    _check_paths(source, output)
    convert(source, PUBLISHED[name], output, gpt2_tokenizer(tokenizers), prompt_tokenizer(name, tokenizers))


def convert(source: Path, config: PengiConfig, output: Path, tokenizer: Tokenizer, prompt_tokenizer: Tokenizer) -> None:
    """As `convert_published`, for any size of the published architecture."""
    _check_paths(source, output)
    with torch.device("meta"):
        expected = {name: tensor.shape for name, tensor in Pengi(config).state_dict().items()}
    state = rename_published(read_published(source), expected)
    partial = output.with_name(f"{output.name}.partial")
    try:
        partial.mkdir(parents=True, exist_ok=True)
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, partial / MODEL_FILE)
        (partial / CONFIG_FILE).write_text(config.model_dump_json(indent=2) + "\n")
        # safetensors writes for its owner alone; a service may run as another user
        (partial / MODEL_FILE).chmod((partial / CONFIG_FILE).stat().st_mode)
        tokenizer.save(str(partial / TOKENIZER_FILE))
        prompt_tokenizer.save(str(partial / PROMPT_TOKENIZER_FILE))
        write_checksums(partial)
        partial.rename(output)
    except OSError as error:
        raise CheckpointError(f"{output} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _check_paths(source: Path, output: Path) -> None:
    if output.exists():
        raise CheckpointError(f"{output} exists already; name a new folder")
    if not source.is_file():
        raise CheckpointError(f"{source} cannot be read: No such file or directory")


def prompt_tokenizer(name: str, folder: Path | None) -> Tokenizer:
    """The tokenizer of the prompts of the published configuration `name`: cut and padded to a fixed length."""
    clip = isinstance(PUBLISHED[name].text, ClipTextConfig)
    tokenizer = clip_tokenizer(folder) if clip else gpt2_tokenizer(folder)
    padding = "<|endoftext|>" if clip else "!"
    tokenizer.enable_truncation(PROMPT_TOKENS)
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id(padding), pad_token=padding, length=PROMPT_TOKENS)
    return tokenizer

"""The vocabularies of the published Pengi as tokenizers: GPT-2's, and CLIP's for the prompts of `base`."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import httpx2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE

from pengi_stream.errors import CheckpointError

GPT2_FILES = ("gpt2/vocab.json", "gpt2/merges.txt")
CLIP_FILE = "clip/bpe_simple_vocab_16e6.txt.gz"
CLIP_MERGES = 48_894  # 49,408 tokens less 2 * 256 bytes and 2 marks
CLIP_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
TIMEOUT_S = 20.0
START, END = "<|startoftext|>", "<|endoftext|>"
PADDING = "!"  # the published code pads with it, and so never merges it with its neighbours


def gpt2_tokenizer(folder: Path | None) -> Tokenizer:
    """GPT-2's, from `folder`/gpt2 or, without a folder, from transformers and its hub. Raises CheckpointError."""
    if folder is None:
        tokenizer = _from_hub("gpt2")
    else:
        vocabulary, merges = (_read(folder / name).decode() for name in GPT2_FILES)
        tokenizer = Tokenizer(BPE(json.loads(vocabulary), _pairs(merges.splitlines()[1:])))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.add_special_tokens([END])
    tokenizer.add_tokens([AddedToken(PADDING, normalized=False)])
    return tokenizer


def clip_tokenizer(folder: Path | None) -> Tokenizer:
    """CLIP's, with start and end marks, from `folder`/clip or from the hub. Raises CheckpointError."""
    if folder is None:
        return _from_hub("openai/clip-vit-base-patch16")
    lines = gzip.decompress(_read(folder / CLIP_FILE)).decode().splitlines()
    pairs = _pairs(lines[1 : CLIP_MERGES + 1])
    letters = _byte_letters()
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *map("".join, pairs), START, END]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(BPE(vocabulary, pairs, end_of_word_suffix="</w>", unk_token=END))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(CLIP_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([START, END])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, vocabulary[START]), (END, vocabulary[END])]
    )
    return tokenizer


def _pairs(lines: list[str]) -> list[tuple[str, str]]:
    return [(left, right) for left, right in (line.split() for line in lines)]


def _byte_letters() -> list[str]:
    """GPT-2's printable letter for each byte, in the order of CLIP's vocabulary: printable bytes first."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [*map(chr, printable), *(chr(0x100 + index) for index in range(0x100 - len(printable)))]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"tokenizer file {path} cannot be read: {error.strerror}") from error


def _from_hub(name: str) -> Tokenizer:
    try:
        loaded = _cached(name) or _fetched(name)
    except (OSError, ValueError, httpx2.HTTPError) as error:
        message = (
            f"tokenizer {name} cannot be had from the model hub; name a folder with gpt2/ and clip/ (--tokenizers)"
        )
        raise CheckpointError(message) from error
    return Tokenizer.from_str(loaded.backend_tokenizer.to_str())


def _cached(name: str) -> Any:
    import transformers

    try:
        return transformers.AutoTokenizer.from_pretrained(name, use_fast=True, local_files_only=True)
    except OSError:
        return None


def _fetched(name: str) -> Any:
    import transformers
    from huggingface_hub import hf_hub_url

    httpx2.head(hf_hub_url(name, "config.json"), timeout=TIMEOUT_S)  # transformers itself tries for a minute
    return transformers.AutoTokenizer.from_pretrained(name, use_fast=True)

"""Prompts as the language model reads them: token embeddings, or a prefix of fixed length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Protocol

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from pengi_stream.models.pengi.config import PengiConfig, TokenEmbeddingsConfig
from pengi_stream.models.pengi.mapping_network import SequenceMapper
from pengi_stream.models.pengi.text.language_model import LanguageModel
from pengi_stream.models.pengi.text.text_encoder import ClipPromptEncoder

PROMPT_SLOTS_GRID = 8  # prompts are padded to a multiple of this
CACHED_PROMPTS = 256


class PromptReader(Protocol):
    """Reads prompts for the language model."""

    def read(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Embeddings (batch, slots, width), and how many of the slots count (batch,). Long prompts are cut."""
        ...

    def embeddings(self, texts: Sequence[str]) -> Tensor:
        """What `read` gives, before it is mapped: (batch, embedding_size) of a text encoder, not normalised, or token
        embeddings (batch, slots, width)."""
        ...


class TokenPrompts:
    """A prompt is its tokens, as the language model embeds them."""

    def __init__(self, model: LanguageModel, tokenizer: Tokenizer, max_tokens: int, padding: int) -> None:
        self._model = model
        self._padding = padding
        self._tokens = lru_cache(CACHED_PROMPTS)(lambda text: tuple(tokenizer.encode(text).ids[:max_tokens]))

    def read(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """See `PromptReader.read`."""
        device = self._model.wte.weight.device
        tokens = [self._tokens(text) for text in texts]
        lengths = torch.tensor([len(row) for row in tokens], device=device)
        slots = -(-max(1, *(len(row) for row in tokens)) // PROMPT_SLOTS_GRID) * PROMPT_SLOTS_GRID
        padded = torch.full((len(tokens), slots), self._padding, device=device)
        for row, prompt in zip(padded, tokens, strict=True):
            row[: len(prompt)] = torch.tensor(prompt, device=device)
        return self._model.embed(padded), lengths

    def embeddings(self, texts: Sequence[str]) -> Tensor:
        """See `PromptReader.embeddings`."""
        return self.read(texts)[0]


class MappedPrompts:
    """A prompt is the prefix that a mapper makes of it."""

    def __init__(
        self, embed: Callable[[Tensor], Tensor], mapper: SequenceMapper, tokenizer: Tokenizer, suffix: str
    ) -> None:
        """`embed` makes of tokens (batch, length) what `mapper` maps."""
        self._embed = embed
        self._mapper = mapper
        self._tokenizer = tokenizer
        self._suffix = suffix
        self._prefix = lru_cache(CACHED_PROMPTS)(self._mapped)

    def read(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """See `PromptReader.read`."""
        prefixes = torch.stack([self._prefix(text) for text in texts])
        return prefixes, torch.full((len(texts),), prefixes.shape[1], device=prefixes.device)

    def embeddings(self, texts: Sequence[str]) -> Tensor:
        """See `PromptReader.embeddings`."""
        rows = [self._tokenizer.encode(text + self._suffix).ids for text in texts]  # cut and padded to a fixed length
        return self._embed(torch.tensor(rows, device=self._mapper.prefix_const.device))

    def _mapped(self, text: str) -> Tensor:
        prefixes: Tensor = self._mapper(self.embeddings([text]))
        return prefixes[0]


def prompt_reader(
    config: PengiConfig,
    model: LanguageModel,
    encoder: ClipPromptEncoder | None,
    mapper: SequenceMapper | None,
    tokenizer: Tokenizer,
) -> PromptReader:
    """What `config` asks for, of the parts that its checkpoint has; `tokenizer` is the checkpoint's for prompts."""
    if isinstance(config.text, TokenEmbeddingsConfig):
        return TokenPrompts(model, tokenizer, config.text.max_prompt_tokens, config.language_model.stop_token)
    assert mapper is not None
    suffix = config.text.suffix if config.text.type == "mapped_tokens" else ""
    return MappedPrompts(encoder or model.embed, mapper, tokenizer, suffix)


def followed(embeddings: Tensor, lengths: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
    """`embeddings` (batch, slots, width), of which `lengths` (batch,) count, each with `text` (length, width) behind
    it."""
    widened = functional.pad(embeddings, (0, 0, 0, len(text)))
    places = lengths[:, None] + torch.arange(len(text), device=lengths.device)
    widened[torch.arange(len(lengths), device=lengths.device)[:, None], places] = text
    return widened, lengths + len(text)

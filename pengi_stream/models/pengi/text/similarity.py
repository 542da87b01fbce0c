"""Texts -> what tells how similar they are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from pengi_stream.models.pengi.text.language_model import LanguageModel
from pengi_stream.models.pengi.text.text_encoder import ClipPromptEncoder

TEXTS_AT_ONCE = 64


def text_embeddings(
    model: LanguageModel,
    encoder: ClipPromptEncoder | None,
    tokenizer: Tokenizer,
    prompt_tokenizer: Tokenizer,
    texts: Sequence[str],
) -> Tensor:
    """(texts, size), each of length 1: products are cosine similarities.

    By CLIP's text encoder where the model has one. Else the mean of the tokens' embeddings in the language model, less
    the mean over its vocabulary; a text without tokens is similar to none.
    """
    weight = model.wte.weight
    parts = [texts[start : start + TEXTS_AT_ONCE] for start in range(0, len(texts), TEXTS_AT_ONCE)]
    if encoder is None:
        found = [_mean_token(weight.float(), tokenizer, part) for part in parts]
    else:
        found = [_clip(encoder, prompt_tokenizer, part, weight.device) for part in parts]
    return functional.normalize(torch.cat(found).float(), dim=-1)


def _clip(encoder: ClipPromptEncoder, tokenizer: Tokenizer, texts: Sequence[str], device: torch.device) -> Tensor:
    tokens = torch.tensor([tokenizer.encode(text).ids for text in texts], device=device)
    return encoder.clip(tokens)  # type: ignore[no-any-return]


def _mean_token(weight: Tensor, tokenizer: Tokenizer, texts: Sequence[str]) -> Tensor:
    """By the embeddings `weight` (vocabulary, width)."""
    usual = weight.mean(dim=0)
    rows = []
    for text in texts:
        tokens = tokenizer.encode(f" {text.lower()}").ids
        rows.append((weight[tokens] - usual).mean(dim=0) if tokens else torch.zeros_like(usual))
    return torch.stack(rows)

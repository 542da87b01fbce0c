"""Texts -> what tells how similar they are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from pengi_stream.models.pengi.network import Pengi

TEXTS_AT_ONCE = 64


def text_embeddings(network: Pengi, tokenizer: Tokenizer, prompt_tokenizer: Tokenizer, texts: Sequence[str]) -> Tensor:
    """(texts, size), each of length 1: products are cosine similarities.

    By CLIP's text encoder where the model has one. Else the mean of the tokens' embeddings in the language model, less
    the mean over its vocabulary; a text without tokens is similar to none.
    """
    parts = [texts[start : start + TEXTS_AT_ONCE] for start in range(0, len(texts), TEXTS_AT_ONCE)]
    embed = _clip if network.prompt_encoder is not None else _mean_token
    found = [embed(network, prompt_tokenizer if embed is _clip else tokenizer, part) for part in parts]
    return functional.normalize(torch.cat(found).float(), dim=-1)


def _clip(network: Pengi, tokenizer: Tokenizer, texts: Sequence[str]) -> Tensor:
    assert network.prompt_encoder is not None
    tokens = torch.tensor([tokenizer.encode(text).ids for text in texts], device=_weight(network).device)
    return network.prompt_encoder.clip(tokens)  # type: ignore[no-any-return]


def _mean_token(network: Pengi, tokenizer: Tokenizer, texts: Sequence[str]) -> Tensor:
    weight = _weight(network).float()
    usual = weight.mean(dim=0)
    rows = []
    for text in texts:
        tokens = tokenizer.encode(f" {text.lower()}").ids
        rows.append((weight[tokens] - usual).mean(dim=0) if tokens else torch.zeros_like(usual))
    return torch.stack(rows)


def _weight(network: Pengi) -> Tensor:
    return network.language_model.wte.weight

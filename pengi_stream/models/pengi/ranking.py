"""Close-ended prompts: labels by their log-likelihood behind each context."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pengi_stream.models.pengi.context import Context, write
from pengi_stream.models.pengi.language_model import LanguageModel

BYTES_AT_ONCE = 1 << 29  # 512 MB for the contexts x labels that are in memory together


def log_likelihoods(model: LanguageModel, context: Context, labels: Sequence[Sequence[int]], stop_token: int) -> Tensor:
    """Log-likelihood of each label's tokens and of the stop behind them: (batch, labels)."""
    longest = max(len(label) for label in labels)
    chunk = max(1, BYTES_AT_ONCE // (len(context.lengths) * _row_bytes(model, context, longest + 1)))
    parts = [labels[start : start + chunk] for start in range(0, len(labels), chunk)]
    return torch.cat([_chunk(model, context, part, stop_token) for part in parts], dim=1)


def _row_bytes(model: LanguageModel, context: Context, length: int) -> int:
    """Memory that a label of `length` tokens takes behind one context."""
    cache = 2 * context.cache.keys[:, 0].nbytes  # keys and values
    logits = 4 * length * model.wte.num_embeddings
    return 2 * cache + 3 * logits  # the cache as selected and widened; logits, log-softmax and one more


def _chunk(model: LanguageModel, context: Context, labels: Sequence[Sequence[int]], stop_token: int) -> Tensor:
    batch, device = len(context.lengths), context.lengths.device
    longest = max(len(label) for label in labels)
    tokens = torch.full((len(labels), longest + 1), stop_token, device=device)
    for row, label in zip(tokens, labels, strict=True):
        row[: len(label)] = torch.tensor(label, device=device)
    counts = torch.tensor([len(label) + 1 for label in labels], device=device)
    targets = tokens.repeat(batch, 1)  # (batch * labels, longest + 1)
    rows = torch.arange(batch, device=device).repeat_interleave(len(labels))
    wide = context.select(rows, longest)
    hidden = write(model, wide, wide.cache, targets[:, :-1])
    logits = torch.cat((wide.logits[:, None], model.logits(hidden)), dim=1)
    logprobs = logits.float().log_softmax(dim=-1).gather(2, targets[:, :, None])[:, :, 0]
    counted = torch.arange(longest + 1, device=device) < counts.repeat(batch)[:, None]
    return (logprobs * counted).sum(dim=1).view(batch, len(labels))

"""Close-ended prompts: labels by their log-likelihood behind each context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pengi_stream.models.pengi.context import Context
from pengi_stream.models.pengi.language_model import LanguageModel

BYTES_AT_ONCE = 1 << 28  # 256 MB for the labels' keys, values and logits that are in memory together
START = -1  # parent of a first token: the prefix


@dataclass(frozen=True, slots=True)
class Trie:
    """Labels as a tree of tokens: beginnings that labels share are computed once."""

    tokens: list[int]
    parents: list[int]
    """Of each token, an index of `tokens` or START"""
    ends: list[int]
    """Of each label, its last token's index"""

    @classmethod
    def of(cls, labels: Sequence[Sequence[int]]) -> Trie:
        """`labels` as tokens; none of them is empty."""
        found: dict[tuple[int, int], int] = {}
        ends = []
        for label in labels:
            node = START
            for token in label:
                node = found.setdefault((node, token), len(found))
            ends.append(node)
        return cls([token for _, token in found], [parent for parent, _ in found], ends)

    def lineage(self) -> Tensor:
        """(tokens, tokens), true where a token has another among its ancestors, or is that token."""
        seen = torch.eye(len(self.tokens), dtype=torch.bool)
        for node, parent in enumerate(self.parents):  # parents come before their children
            if parent != START:
                seen[node] |= seen[parent]
        return seen


def log_likelihoods(model: LanguageModel, context: Context, labels: Sequence[Sequence[int]], stop_token: int) -> Tensor:
    """Log-likelihood of each label's tokens and of the stop behind them: (batch, labels)."""
    order = sorted(range(len(labels)), key=lambda index: tuple(labels[index]))  # shared beginnings come together
    room = max(1, BYTES_AT_ONCE // (len(context.lengths) * _token_bytes(model)))
    parts = [_tree(model, context, Trie.of(part), stop_token) for part in _parts([labels[i] for i in order], room)]
    scores = torch.cat(parts, dim=1)
    return scores[:, torch.tensor(order, device=scores.device).argsort()]


def _token_bytes(model: LanguageModel) -> int:
    """Memory of one token of one row: keys and values, logits and their log-softmax."""
    vocabulary, width = model.wte.weight.shape
    return 2 * len(model.h) * width * model.wte.weight.element_size() + 3 * 4 * vocabulary


def _parts(labels: Sequence[Sequence[int]], room: int) -> list[list[Sequence[int]]]:
    """`labels` in parts of `room` tokens at most, one label at least."""
    parts: list[list[Sequence[int]]] = []
    left = 0
    for label in labels:
        if len(label) > left or not parts:
            parts.append([])
            left = room
        parts[-1].append(label)
        left -= len(label)
    return parts


def _tree(model: LanguageModel, context: Context, trie: Trie, stop_token: int) -> Tensor:
    """As `log_likelihoods`, for the labels of `trie`."""
    batch, device = len(context.lengths), context.lengths.device
    tokens = torch.tensor(trie.tokens, device=device)
    lineage = trie.lineage().to(device)
    depths = lineage.sum(dim=1) - 1
    hidden = context.widened(len(tokens)).write(model, tokens.expand(batch, -1), depths, lineage[None])
    logits = torch.cat((context.logits[:, None], model.logits(hidden)), dim=1)  # (batch, 1 + tokens, vocabulary)
    logprobs = logits.float().log_softmax(dim=-1)
    parents = torch.tensor(trie.parents, device=device) + 1  # START is the prefix's, at 0
    ends = torch.tensor(trie.ends, device=device)
    gained = logprobs[:, parents, tokens]  # (batch, tokens)
    return gained @ lineage[ends].T.float() + logprobs[:, ends + 1, stop_token]

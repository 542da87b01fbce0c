"""How likely each of some labels is behind each context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pengi_stream.models.pengi.text.context import Context
from pengi_stream.models.pengi.text.language_model import LanguageModel

BYTES_AT_ONCE = 1 << 28  # 256 MB for the labels' keys, values and logits that are in memory together
PREFIX = 0  # the node that labels begin behind; its tokens are the nodes from 1 on


@dataclass(frozen=True, slots=True)
class Trie:
    """Labels as a tree of tokens: beginnings that labels share are computed once."""

    tokens: list[int]
    """Of the nodes from 1 on"""
    parents: list[int]
    """Nodes, of the nodes from 1 on"""
    ends: list[int]
    """Each label's last node"""

    @classmethod
    def of(cls, labels: Sequence[Sequence[int]]) -> Trie:
        """`labels` as tokens."""
        found: dict[tuple[int, int], int] = {}
        ends = []
        for label in labels:
            node = PREFIX
            for token in label:
                node = found.setdefault((node, token), len(found) + 1)
            ends.append(node)
        return cls([token for _, token in found], [parent for parent, _ in found], ends)

    def lineage(self) -> Tensor:
        """(1 + tokens, tokens), true where a node has a token on its way from the prefix, its own included."""
        seen = torch.eye(len(self.tokens) + 1, dtype=torch.bool)[:, 1:]
        for node, parent in enumerate(self.parents, start=1):  # parents come before their children
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
    tokens = torch.tensor(trie.tokens, dtype=torch.long, device=device)
    parents, ends = torch.tensor(trie.parents, dtype=torch.long, device=device), torch.tensor(trie.ends, device=device)
    lineage = trie.lineage().to(device)
    own = lineage[1:]
    text = context.widened(len(tokens))
    hidden = text.write(model, tokens.expand(batch, -1), own.sum(dim=1) - 1, own[None])
    logits = torch.cat((context.logits[:, None], model.logits(hidden)), dim=1)  # (batch, nodes, vocabulary)
    logprobs = logits.float().log_softmax(dim=-1)
    gained = logprobs[:, parents, tokens]  # (batch, tokens)
    return gained @ lineage[ends].T.float() + logprobs[:, ends, stop_token]

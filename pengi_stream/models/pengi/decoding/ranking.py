"""Close-ended prompts: labels by their log-likelihood behind each context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from tokenizers import Tokenizer
from torch import Tensor

from pengi_stream.models.pengi.config import RankingConfig
from pengi_stream.models.pengi.reading import Reader
from pengi_stream.models.pengi.text.context import Context
from pengi_stream.models.pengi.text.language_model import LanguageModel
from pengi_stream.models.pengi.text.wordings import wordings

BYTES_AT_ONCE = 1 << 28  # 256 MB for the labels' keys, values and logits that are in memory together
CACHED_PRIORS = 64
PREFIX = 0  # the node that labels begin behind; its tokens are the nodes from 1 on


class Ranker:
    """Scores labels by what the checkpoint's config, or a caller, says counts."""

    def __init__(
        self, model: LanguageModel, reader: Reader, tokenizer: Tokenizer, stop_token: int, rules: RankingConfig
    ) -> None:
        self._model = model
        self._reader = reader
        self._tokenizer = tokenizer
        self._stop_token = stop_token
        self._rules = rules
        self._priors = lru_cache(CACHED_PRIORS)(self._prior)

    def scores(
        self,
        context: Context,
        prompts: Sequence[str],
        labels: tuple[str, ...],
        add_text: str = "",
        rules: RankingConfig | None = None,
    ) -> Tensor:
        """(rows, labels): log-likelihoods behind `context`, whose rows hold audio, `prompts` and `add_text`.

        By `rules`, else those of the checkpoint. Raises ModelError where a label is too long."""
        rules = rules or self._rules
        if not rules.reworded:
            return self._scores(context, prompts, labels, add_text, rules)
        worded = [wordings(label) for label in labels]
        column = {text: index for index, text in enumerate(dict.fromkeys(text for texts in worded for text in texts))}
        scores = self._scores(context, prompts, tuple(column), add_text, rules)
        return torch.stack([scores[:, [column[text] for text in texts]].amax(dim=1) for texts in worded], dim=1)

    def _scores(
        self, context: Context, prompts: Sequence[str], labels: tuple[str, ...], add_text: str, rules: RankingConfig
    ) -> Tensor:
        self.check(context, labels)
        tokens = self._tokens(labels)
        scores = log_likelihoods(self._model, context, tokens, self._stop_token)
        if rules.prior_corrected:
            scores = scores - torch.stack([self._priors(prompt, labels, add_text) for prompt in prompts])
        if rules.length_normalized:
            scores = scores / torch.tensor([len(label) + 1 for label in tokens], device=scores.device)
        return scores

    def check(self, context: Context, labels: Sequence[str]) -> None:
        """Raises ModelError where the language model has no positions for one of `labels` behind `context`."""
        self._reader.check_room(context, max(map(len, self._tokens(labels))) + 1)

    def _prior(self, prompt: str, labels: tuple[str, ...], add_text: str) -> Tensor:
        """Log-likelihoods without audio: (labels,)."""
        silent = self._reader.silent([prompt], add_text)
        return log_likelihoods(self._model, silent, self._tokens(labels), self._stop_token)[0]

    def _tokens(self, labels: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._tokenizer.encode_batch(list(labels))]


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

"""Close-ended prompts: labels by their log-likelihood behind each context."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from tokenizers import Tokenizer
from torch import Tensor

from pengi_stream.models.pengi.config import RankingConfig
from pengi_stream.models.pengi.decoding.likelihoods import log_likelihoods
from pengi_stream.models.pengi.reading import Reader
from pengi_stream.models.pengi.text.context import Context
from pengi_stream.models.pengi.text.language_model import LanguageModel
from pengi_stream.models.pengi.text.wordings import wordings

CACHED_PRIORS = 64


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

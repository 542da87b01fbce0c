"""How likely a text is right, by what the audio did to the likelihood of its words."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice, repeat
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from pengi_stream.models.pengi.config import ConfidenceConfig
from pengi_stream.models.pengi.decoding.search import Decoded
from pengi_stream.models.pengi.text.context import Context
from pengi_stream.models.pengi.text.language_model import LanguageModel

STEADY = 0.1
"""Nats of gain below which a text's words count alike"""
CERTAIN = 0.999
"""Larger probabilities count as this one"""
TEXTS_KEPT = 4096


class Written(NamedTuple):
    """A text, and what it was written behind."""

    prompt: str
    add_text: str
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a text; more of each is better."""

    likelihood: float
    """Log-odds of its tokens, in the geometric mean"""
    sound: float
    """The same of the words that name sounds: tokens count as much as the audio made them more likely"""
    gain: float
    """How much more likely the audio made a token, in the mean, in nats"""


def confidence_of(evidence: Evidence, row: ConfidenceConfig) -> float:
    """0 to 1; rises with each part of the evidence."""
    logit = row.bias + row.likelihood * evidence.likelihood + row.sound * evidence.sound + row.gain * evidence.gain
    return 1 / (1 + math.exp(-max(logit, -700.0)))


def row_for(prompt: str, rows: Sequence[ConfidenceConfig]) -> ConfidenceConfig | None:
    """The first row whose pattern `prompt` has."""
    return next((row for row in rows if fnmatchcase(prompt, row.prompts)), None)


class Confidence:
    """The confidence of texts, as the checkpoint's table has it; without a table, the geometric mean of the tokens'
    probabilities."""

    def __init__(
        self,
        rows: Sequence[ConfidenceConfig] | None,
        model: LanguageModel,
        silence: Callable[[Sequence[str], str], Context],
    ) -> None:
        """`silence` reads prompts, and the text that is added to each, behind no audio."""
        self._rows = rows or ()
        self._model = model
        self._silence = silence
        self._known: dict[Written, Tensor] = {}
        """What is likely without audio, oldest first"""

    def of(self, prompts: Sequence[str], context: Context, decoded: Decoded, add_text: str = "") -> list[float]:
        """One for each row of `context`, which holds audio, prompts and `add_text`, and for the text written behind."""
        plain = [min(1.0, math.exp(score)) for score in decoded.scores[:, 0].tolist()]
        rows = [row_for(prompt, self._rows) for prompt in prompts]
        if not any(rows):
            return plain
        found = self.evidence(prompts, context, decoded, add_text)
        return [confidence_of(e, row) if row else p for e, row, p in zip(found, rows, plain, strict=True)]

    def evidence(
        self, prompts: Sequence[str], context: Context, decoded: Decoded, add_text: str = ""
    ) -> list[Evidence]:
        """As `of`, what speaks for each text."""
        tokens, lengths = decoded.tokens[:, 0], decoded.lengths[:, 0]
        counted = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
        known = None if decoded.logprobs is None else decoded.logprobs[:, 0]
        with_audio = _logprobs(self._model, context, tokens) * counted if known is None else known
        texts = [tuple(row[:length]) for row, length in zip(tokens.tolist(), lengths.tolist(), strict=True)]
        silent = self._without_audio(
            [Written(*row) for row in zip(prompts, repeat(add_text), texts, strict=False)], add_text
        )
        gains = with_audio - functional.pad(silent, (0, tokens.shape[1] - silent.shape[1])).to(with_audio)
        likelihood, gain = with_audio.sum(dim=1) / lengths, gains.sum(dim=1) / lengths
        weights = gains.clamp(min=0)
        sound = ((weights * with_audio).sum(dim=1) + STEADY * likelihood) / (weights.sum(dim=1) + STEADY)
        found = torch.stack((_log_odds(likelihood), _log_odds(sound), gain), dim=1)
        return [Evidence(*row) for row in found.tolist()]

    def _without_audio(self, written: Sequence[Written], add_text: str) -> Tensor:
        """(batch, tokens): log-probabilities of their tokens, 0 behind the last. Streams repeat themselves, so those of
        the last texts are kept."""
        if fresh := [text for text in dict.fromkeys(written) if text not in self._known]:
            self._learn(fresh, add_text)
        found = pad_sequence([self._known[text] for text in written], batch_first=True)
        for text in list(islice(self._known, max(0, len(self._known) - TEXTS_KEPT))):
            del self._known[text]
        return found

    def _learn(self, texts: Sequence[Written], add_text: str) -> None:
        prompts = list(dict.fromkeys(text.prompt for text in texts))
        silent = self._silence(prompts, add_text)
        rows = torch.tensor([prompts.index(text.prompt) for text in texts], device=silent.lengths.device)
        tokens = pad_sequence([torch.tensor(text.tokens, device=rows.device) for text in texts], batch_first=True)
        found = _logprobs(self._model, silent.rows(rows), tokens).cpu()
        self._known |= {text: row[: len(text.tokens)] for text, row in zip(texts, found, strict=True)}


def _log_odds(logprobs: Tensor) -> Tensor:
    return logprobs - torch.log1p(-logprobs.exp().clamp(max=CERTAIN))


def _logprobs(model: LanguageModel, context: Context, tokens: Tensor) -> Tensor:
    """(batch, length): of each token, behind the context and those before it."""
    logits = context.widened(tokens.shape[1] - 1).logits_behind(model, tokens[:, :-1])
    return logits.float().log_softmax(dim=-1).gather(2, tokens[:, :, None])[:, :, 0]

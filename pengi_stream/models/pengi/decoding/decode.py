"""Text behind the prefixes of a batch: greedy, beam search or sampling, in fixed shapes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pengi_stream.models.pengi.decoding.greedy import Greedy
from pengi_stream.models.pengi.decoding.sampling import Sampling
from pengi_stream.models.pengi.decoding.search import FILLER_TOKEN, Decoded, Search, repeated
from pengi_stream.models.pengi.decoding.steps import FixedSteps, FreeText, Text
from pengi_stream.models.pengi.text.context import Context
from pengi_stream.models.pengi.text.language_model import LanguageModel
from pengi_stream.options import DecodingOptions

LARGEST_BUCKET = 32


class BeamSearch(Search):
    """Beams of a batch of requests, as the published Pengi keeps them; one beam is greedy search.

    A beam that has written the stop token is kept, goes on with token 0 at log-probability 0, and stays in the
    comparison, which is by total log-probability divided by length.
    """

    def __init__(self, first_logprobs: Tensor, beams: int, stop_token: int, longest: int) -> None:
        """`first_logprobs` (batch, vocabulary) of the first token; `longest` text in tokens."""
        self._stop_token = stop_token
        self._longest = longest
        self._totals, tokens = first_logprobs.topk(beams, dim=-1)
        self._lengths = torch.ones_like(self._totals)
        self._tokens = tokens[:, :, None]
        self._stopped = tokens == stop_token

    @property
    def running(self) -> Tensor:
        """See `Search.running`."""
        return ~self._stopped.all(dim=1) & (self._tokens.shape[2] < self._longest)

    @property
    def last_tokens(self) -> Tensor:
        """See `Search.last_tokens`."""
        return self._tokens[:, :, -1]

    @property
    def depths(self) -> Tensor:
        """See `Search.depths`."""
        return torch.full_like(self.last_tokens, self._tokens.shape[2] - 1)

    def update(self, logprobs: Tensor) -> Tensor:
        """See `Search.update`."""
        beams = logprobs.shape[1]
        gained, tokens = logprobs.topk(beams, dim=-1)  # (batch, beams, beams): no more of one beam can be chosen
        kept = torch.full_like(gained[0], -torch.inf)
        kept[:, 0] = 0.0
        gained = torch.where(self._stopped[:, :, None], kept, gained)
        tokens = torch.where(self._stopped[:, :, None], FILLER_TOKEN, tokens)
        lengths = self._lengths + ~self._stopped
        means = (self._totals[:, :, None] + gained) / lengths[:, :, None]
        best, index = means.flatten(1).topk(beams, dim=-1)
        origin, tokens = index // beams, tokens.flatten(1).gather(1, index)
        self._lengths = lengths.gather(1, origin)
        self._totals = best * self._lengths
        self._tokens = torch.cat((self._tokens.gather(1, repeated(origin, self._tokens)), tokens[:, :, None]), dim=-1)
        self._stopped = self._stopped.gather(1, origin) | (tokens == self._stop_token)
        return origin

    def finalize(self) -> Decoded:
        """See `Search.finalize`."""
        scores, order = (self._totals / self._lengths).sort(dim=-1, descending=True, stable=True)
        tokens = self._tokens.gather(1, repeated(order, self._tokens))
        return Decoded(tokens, self._lengths.gather(1, order).long(), scores)


def decode(
    model: LanguageModel,
    context: Context,
    options: DecodingOptions,
    stop_token: int,
    first_samples: Sequence[int] = (),
    drafts: Tensor | None = None,
    fixed: FixedSteps | None = None,
) -> Decoded:
    """Write a text behind each row of `context`, `options.max_new_tokens` at most.

    Sampling needs `first_samples`, those of the rows' windows. The beams of a request write into the same row and share
    its prefix; each sees its own past alone, so that beams that change places move a mask and no keys or values.

    Greedy search may be offered `drafts` (batch, tokens), padded with NO_TOKEN: texts that it may well write. All of
    their tokens are read at once, and those that it would have written count as written.

    With `fixed`, steps are computed in the buffers that it keeps.
    """
    batch, beams, longest = len(context.lengths), options.beams, options.max_new_tokens
    if options.greedy:
        nothing = context.lengths.new_zeros((batch, 0))
        offered = nothing if drafts is None else drafts[:, : longest - 1]
        return _greedy(model, context, options, stop_token, offered, fixed)
    first = _logprobs(context.logits, options)
    search: Search = BeamSearch(first, beams, stop_token, longest)
    if options.top_p is not None:
        search = Sampling(first, options, first_samples, stop_token)
    seen = torch.ones(batch, beams, 0, dtype=torch.bool, device=context.lengths.device)
    text = _text(model, context.widened(beams * (longest - 1)), beams, fixed)
    return _write(text, search, seen, options)


def _greedy(
    model: LanguageModel,
    context: Context,
    options: DecodingOptions,
    stop_token: int,
    drafts: Tensor,
    fixed: FixedSteps | None,
) -> Decoded:
    _, drafted = drafts.shape
    wide = context.widened(drafted + options.max_new_tokens - 1)
    logits = wide.logits_behind(model, drafts.clamp(min=0))
    search = Greedy(_logprobs(logits, options), drafts, stop_token, options.max_new_tokens)
    held = torch.arange(drafted, device=drafts.device) < search.depths  # (batch, drafted)
    return _write(_text(model, wide, 1, fixed), search, held[:, None], options)


def _text(model: LanguageModel, context: Context, beams: int, fixed: FixedSteps | None) -> Text:
    return FreeText(model, context) if fixed is None else fixed.text(context, beams)


def _write(text: Text, search: Search, seen: Tensor, options: DecodingOptions) -> Decoded:
    """Go on until all texts have ended; `seen` (batch, beams, written) behind the prefix. Rows leave by buckets."""
    batch, beams, _ = seen.shape
    itself = torch.eye(beams, dtype=torch.bool, device=seen.device).expand(batch, -1, -1)
    while left := int(search.running.sum()):
        if bucket(left) < batch:
            rows = search.running.to(torch.uint8).argsort(descending=True, stable=True)[: bucket(left)]
            rest = _write(text.rows(rows), search.rows(rows), seen[rows], options)
            return search.finalize().replaced(rows, rest)
        seen = torch.cat((seen, itself), dim=-1)
        logits = text.logits(search.last_tokens, search.depths, seen)
        origin = search.update(_logprobs(logits, options))
        seen = seen.gather(1, repeated(origin, seen))
    return search.finalize()


def bucket(size: int) -> int:
    """The fixed batch size that `size` rows are padded to: 1, 2, 4 ... 32, then multiples of 32."""
    if size > LARGEST_BUCKET:
        return -(-size // LARGEST_BUCKET) * LARGEST_BUCKET
    return 1 << (size - 1).bit_length()


def _logprobs(logits: Tensor, options: DecodingOptions) -> Tensor:
    tempered = logits if options.temperature == 1 else logits.float() / options.temperature
    return tempered.log_softmax(dim=-1, dtype=torch.float32)

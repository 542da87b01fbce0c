"""Text behind the prefixes of a batch: greedy, beam search or sampling, in fixed shapes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pengi_stream.models.pengi.context import Context
from pengi_stream.models.pengi.language_model import LanguageModel
from pengi_stream.models.pengi.sampling import Sampling
from pengi_stream.models.pengi.search import FILLER_TOKEN, Decoded, Search, repeated
from pengi_stream.options import DecodingOptions


class BeamSearch:
    """Beams of a batch of requests, as the published Pengi keeps them; one beam is greedy search.

    A beam that has written the stop token is kept, goes on with token 0 at log-probability 0, and stays in the
    comparison, which is by total log-probability divided by length.
    """

    def __init__(self, first_logprobs: Tensor, beams: int, stop_token: int) -> None:
        """`first_logprobs` (batch, vocabulary) of the first token."""
        self._stop_token = stop_token
        self._totals, tokens = first_logprobs.topk(beams, dim=-1)
        self._lengths = torch.ones_like(self._totals)
        self._tokens = tokens[:, :, None]
        self._stopped = tokens == stop_token

    @property
    def done(self) -> bool:
        """See `Search.done`."""
        return bool(self._stopped.all())

    @property
    def last_tokens(self) -> Tensor:
        """(batch, beams)."""
        return self._tokens[:, :, -1]

    def update(self, logprobs: Tensor) -> Tensor:
        """Take the next tokens by `logprobs` (batch, beams, vocabulary); returns the beams that they go on from."""
        beams, vocabulary = logprobs.shape[1:]
        logprobs = logprobs.masked_fill(self._stopped[:, :, None], -torch.inf)
        logprobs[:, :, FILLER_TOKEN] = torch.where(self._stopped, 0.0, logprobs[:, :, FILLER_TOKEN])
        lengths = self._lengths + ~self._stopped
        means = (self._totals[:, :, None] + logprobs) / lengths[:, :, None]
        best, index = means.flatten(1).topk(beams, dim=-1)
        origin, tokens = index // vocabulary, index % vocabulary
        self._lengths = lengths.gather(1, origin)
        self._totals = best * self._lengths
        self._tokens = torch.cat((self._tokens.gather(1, repeated(origin, self._tokens)), tokens[:, :, None]), dim=-1)
        self._stopped = self._stopped.gather(1, origin) | (tokens == self._stop_token)
        return origin

    def finalize(self) -> Decoded:
        """The beams, best first."""
        scores, order = (self._totals / self._lengths).sort(dim=-1, descending=True, stable=True)
        tokens = self._tokens.gather(1, repeated(order, self._tokens))
        return Decoded(tokens, self._lengths.gather(1, order).long(), scores)


def decode(
    model: LanguageModel, context: Context, options: DecodingOptions, stop_token: int, first_samples: Sequence[int] = ()
) -> Decoded:
    """Write a text behind each row of `context`, `options.max_new_tokens` at most.

    Sampling needs `first_samples`, those of the rows' windows. The beams of a request write into the same row and share
    its prefix; each sees its own past alone, so that beams that change places move a mask and no keys or values.
    """
    batch, beams, steps = len(context.lengths), options.beams, options.max_new_tokens - 1
    first = _logprobs(context.logits, options)
    search: Search = BeamSearch(first, beams, stop_token)
    if options.top_p is not None:
        search = Sampling(first, options, first_samples, stop_token)
    text = context.widened(beams * steps)
    itself = torch.eye(beams, dtype=torch.bool, device=context.lengths.device).expand(batch, -1, -1)
    seen = itself[:, :, :0]  # (batch, beams, written)
    for step in range(steps):
        if search.done:
            break
        seen = torch.cat((seen, itself), dim=-1)
        hidden = text.write(model, search.last_tokens, context.lengths.new_full((beams,), step), seen)
        origin = search.update(_logprobs(model.logits(hidden), options))
        seen = seen.gather(1, repeated(origin, seen))
    return search.finalize()


def _logprobs(logits: Tensor, options: DecodingOptions) -> Tensor:
    return (logits.float() / options.temperature).log_softmax(dim=-1)

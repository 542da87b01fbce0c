"""What the language model reads before it writes: prefixes of different length in one batch of fixed shape."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pengi_stream.models.pengi.language_model import Cache, LanguageModel


@dataclass(frozen=True, slots=True)
class Context:
    """Prefixes that were read: what generation and ranking go on from.

    Rows are padded on the right to the same number of slots; padding is masked and takes no position, so that it
    changes nothing.
    """

    cache: Cache
    lengths: Tensor  # (batch,) slots that count
    logits: Tensor  # (batch, vocabulary) of the first token to write
    slots: int

    def select(self, rows: Tensor, room: int) -> Context:
        """The rows (n,) named, with room for so many tokens."""
        return Context(self.cache.select(rows).widened(room), self.lengths[rows], self.logits[rows], self.slots)

    def positions(self, written: int, length: int) -> Tensor:
        """(batch, length): positions of `length` tokens behind `written` ones."""
        return self.lengths[:, None] + torch.arange(written, written + length, device=self.lengths.device)

    def mask(self, written: int, length: int) -> Tensor:
        """(batch, 1, length, slots + written + length): what `length` tokens behind `written` ones may see."""
        device = self.lengths.device
        slot = torch.arange(self.slots + written + length, device=device)
        prefix = slot < self.lengths[:, None]  # (batch, slots)
        token = torch.arange(written, written + length, device=device)[:, None]
        text = (slot >= self.slots) & (slot - self.slots <= token)  # (length, slots)
        return (prefix[:, None, :] | text[None])[:, None]


def read(model: LanguageModel, embeddings: Tensor, lengths: Tensor) -> Context:
    """Read prefixes (batch, slots, width), of which `lengths` (batch,) count."""
    batch, slots, _ = embeddings.shape
    cache = model.new_cache(batch, slots)
    hidden = model(embeddings, cache=cache)  # causal: what counts never sees the padding behind it
    last = hidden[torch.arange(batch, device=lengths.device), lengths - 1]
    return Context(cache, lengths, model.logits(last), slots)


def write(model: LanguageModel, context: Context, cache: Cache, tokens: Tensor) -> Tensor:
    """Put `tokens` (batch, length) behind `context` and what `cache` holds already; hidden states of them."""
    written, length = cache.used - context.slots, tokens.shape[1]
    return model(  # type: ignore[no-any-return]
        model.embed(tokens), context.positions(written, length), context.mask(written, length), cache
    )

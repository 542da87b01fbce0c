"""What the language model reads before it writes: prefixes of different length in one batch of fixed shape."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pengi_stream.models.pengi.text.language_model import Cache, LanguageModel


@dataclass(frozen=True, slots=True)
class Context:
    """Prefixes that were read: what generation and ranking go on from.

    Rows are padded on the right to the same number of slots; padding is masked and takes no position, so that it
    changes nothing. Behind a prefix a tree of tokens may be written: the beams of a request, or the labels that are
    ranked, share its row, and each token sees the prefix and its own ancestors.
    """

    cache: Cache
    lengths: Tensor  # (batch,) slots that count
    logits: Tensor  # (batch, vocabulary) of the first token to write
    slots: int

    def widened(self, room: int) -> Context:
        """The same prefixes with room for `room` tokens behind them; what is written there leaves this one as it is."""
        return Context(self.cache.widened(room), self.lengths, self.logits, self.slots)

    def rows(self, rows: Tensor) -> Context:
        """These rows (n,) alone, each as often as it is named; what is written there leaves this one as it is."""
        cache = Cache(self.cache.keys.index_select(1, rows), self.cache.values.index_select(1, rows), self.cache.used)
        return Context(cache, self.lengths[rows], self.logits[rows], self.slots)

    def write(self, model: LanguageModel, tokens: Tensor, depths: Tensor, seen: Tensor) -> Tensor:
        """Put `tokens` (batch, length) into the next slots; their hidden states (batch, length, width).

        `depths` (length,) or (batch, length) of the tokens in their trees, from 0. `seen` (batch or 1, length, written
        + length) is true where a token sees one that was written behind the prefix, or itself.
        """
        prefix = torch.arange(self.slots, device=self.lengths.device) < self.lengths[:, None]  # (batch, slots)
        batch, length = tokens.shape
        mask = torch.cat((prefix[:, None].expand(-1, length, -1), seen.expand(batch, -1, -1)), dim=-1)[:, None]
        return model(model.embed(tokens), self.lengths[:, None] + depths, mask, self.cache)  # type: ignore[no-any-return]

    def logits_behind(self, model: LanguageModel, tokens: Tensor) -> Tensor:
        """Put `tokens` (batch, length) into the next slots, a text in each row, and say what comes next: logits (batch,
        1 + length, vocabulary), behind the prefix and behind each token."""
        length = tokens.shape[1]
        if not length:
            return self.logits[:, None]
        seen = torch.ones(length, length, dtype=torch.bool, device=tokens.device).tril()
        hidden = self.write(model, tokens, torch.arange(length, device=tokens.device), seen[None])
        return torch.cat((self.logits[:, None], model.logits(hidden)), dim=1)


def read(model: LanguageModel, embeddings: Tensor, lengths: Tensor) -> Context:
    """Read prefixes (batch, slots, width), of which `lengths` (batch,) count."""
    batch, slots, _ = embeddings.shape
    cache = model.new_cache(batch, slots)
    hidden = model(embeddings, cache=cache)  # causal: what counts never sees the padding behind it
    last = hidden[torch.arange(batch, device=lengths.device), lengths - 1]
    return Context(cache, lengths, model.logits(last), slots)


def read_behind(model: LanguageModel, shared: Tensor, rows: Tensor, embeddings: Tensor, lengths: Tensor) -> Context:
    """As `read`, behind the beginnings `shared` (beginnings, slots, width), each of which is read once.

    `rows` (batch,) says which of them `embeddings` (batch, slots, width) go on from; `lengths` (batch,) of these count.
    """
    beginnings, first, _ = shared.shape
    batch, length, _ = embeddings.shape
    begun = model.new_cache(beginnings, first)
    before = model(shared, cache=begun)[:, -1:]
    cache = Cache(begun.keys[:, rows], begun.values[:, rows], begun.used).widened(length)
    slots = torch.arange(first + length, device=lengths.device)
    mask = slots <= slots[first:, None]  # (length, slots)
    states = torch.cat((before[rows], model(embeddings, slots[None, first:], mask[None, None], cache)), dim=1)
    last = states[torch.arange(batch, device=lengths.device), lengths]
    return Context(cache, lengths + first, model.logits(last), first + length)

"""Steps of decoding: in whatever shape comes, or in buffers of fixed shape, where a GPU replays them as CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol, Self

import torch
from torch import Tensor

from pengi_stream.models.pengi.text.context import Context
from pengi_stream.models.pengi.text.language_model import Cache, LanguageModel

MOST_SHAPES = 16  # whose buffers and graphs are kept; with `base` in bfloat16, 16 rows of 3 beams hold 0.1 GB
WARM_UPS = 3  # before a graph is captured, as CUDA wants it


class Text(Protocol):
    """What the rows of a batch have written, for a language model to go on from."""

    def logits(self, tokens: Tensor, depths: Tensor, seen: Tensor) -> Tensor:
        """What comes behind `tokens` (batch, beams), which are written into the next slots: (batch, beams, vocabulary).
        `depths` (batch, beams) and `seen` (batch, beams, written + beams) are those of `Context.write`."""
        ...

    def rows(self, rows: Tensor) -> Self:
        """These rows (n,) alone; this text is not written on."""
        ...


@dataclass(frozen=True, slots=True)
class FreeText:
    """In whatever shape comes."""

    model: LanguageModel
    context: Context

    def logits(self, tokens: Tensor, depths: Tensor, seen: Tensor) -> Tensor:
        """See `Text.logits`."""
        return self.model.logits(self.context.write(self.model, tokens, depths, seen))

    def rows(self, rows: Tensor) -> FreeText:
        """See `Text.rows`."""
        return FreeText(self.model, self.context.rows(rows))


@dataclass(slots=True)
class FixedCache(Cache):
    """One whose slots are all looked at; what is read goes to those that `place` names."""

    place: Tensor = field(kw_only=True)  # (tokens,)

    def put(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """See `Cache.put`."""
        self.keys[layer].index_copy_(2, self.place, key)
        self.values[layer].index_copy_(2, self.place, value)
        return self.keys[layer], self.values[layer]


class Buffers:
    """What one step reads and writes: tensors that stay where they are."""

    def __init__(self, model: LanguageModel, batch: int, beams: int, slots: int) -> None:
        empty, device = model.new_cache(batch, slots), model.wte.weight.device
        self._model = model
        self.cache = FixedCache(empty.keys, empty.values, place=torch.arange(beams, device=device))
        self.tokens = torch.zeros(batch, beams, dtype=torch.long, device=device)
        self.positions = torch.zeros_like(self.tokens)
        self.mask = torch.ones(batch, 1, beams, slots, dtype=torch.bool, device=device)
        self.compute = captured(self._step, device) if device.type == "cuda" else self._step
        """Logits (batch, beams, vocabulary); on a GPU they hold until the next call"""

    def _step(self) -> Tensor:
        hidden = self._model(self._model.embed(self.tokens), self.positions, self.mask, self.cache)
        return self._model.logits(hidden)


class FixedText:
    """In buffers of one shape: the cache is as large as the longest text needs, and what is not written is masked."""

    def __init__(self, steps: FixedSteps, context: Context, beams: int) -> None:
        self._steps = steps
        self._context = context
        self._beams = beams
        self._buffers = steps.buffers(len(context.lengths), beams, context.cache.keys.shape[3])
        self._buffers.cache.keys.copy_(context.cache.keys)
        self._buffers.cache.values.copy_(context.cache.values)
        self._buffers.mask.fill_(False)
        prefix = torch.arange(context.slots, device=context.lengths.device) < context.lengths[:, None]
        self._buffers.mask[:, 0, :, : context.slots] = prefix[:, None]

    def logits(self, tokens: Tensor, depths: Tensor, seen: Tensor) -> Tensor:
        """See `Text.logits`."""
        buffers, first = self._buffers, self._context.slots
        end = first + seen.shape[2]
        buffers.tokens.copy_(tokens)
        buffers.positions.copy_(self._context.lengths[:, None] + depths)
        buffers.mask[:, 0, :, first:end] = seen
        buffers.cache.place.copy_(torch.arange(end - self._beams, end, device=tokens.device))
        return buffers.compute()

    def rows(self, rows: Tensor) -> FixedText:
        """See `Text.rows`."""
        kept = replace(self._context, cache=Cache(self._buffers.cache.keys, self._buffers.cache.values))
        return FixedText(self._steps, kept.rows(rows), self._beams)


class FixedSteps:
    """Keeps the buffers of each shape, and the graph that was captured of a step in them. One thread at a time."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._kept: dict[tuple[int, int, int], Buffers] = {}

    def text(self, context: Context, beams: int) -> FixedText:
        """To write behind `context`, in the room that it has. One text at a time of one shape."""
        return FixedText(self, context, beams)

    def buffers(self, batch: int, beams: int, slots: int) -> Buffers:
        """Those of this shape; the first time, on a GPU, a graph is captured."""
        shape = batch, beams, slots
        buffers = self._kept.pop(shape) if shape in self._kept else Buffers(self._model, *shape)
        self._kept[shape] = buffers
        if len(self._kept) > MOST_SHAPES:
            del self._kept[next(iter(self._kept))]
        return buffers


def captured(step: Callable[[], Tensor], device: torch.device) -> Callable[[], Tensor]:
    """What replays the kernels of `step` as one CUDA graph, on the same tensors; its result is always the same one."""
    with torch.cuda.device(device):
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                step()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other models' threads may allocate meanwhile
            result = step()

    def replay() -> Tensor:
        graph.replay()
        return result

    return replay

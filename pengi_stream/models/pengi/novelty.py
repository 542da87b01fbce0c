"""Streams whose sound has hardly changed are given their last answer again, where a prompt allows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from pengi_stream.options import Prompt
from pengi_stream.types import Generation, Request, Window

MOST_KEPT = 4096  # answers: one for each stream and prompt; 50 MB with `mini`'s embeddings

Ask = Callable[[Sequence[Request]], list[Generation]]
_Key = tuple[str, Prompt]


@dataclass(frozen=True, slots=True, eq=False)
class _Heard:
    """The sound of a window."""

    session: str
    segment_sample: int
    direction: Tensor  # (embedding_size,), of length 1

    def is_like(self, other: _Heard, novelty: float) -> bool:
        """Whether `other` is less than `novelty` away, and no gap lies between."""
        if (self.session, self.segment_sample) != (other.session, other.segment_sample):
            return False
        return max(0.0, 1 - float(self.direction @ other.direction)) < novelty


@dataclass(frozen=True, slots=True, eq=False)
class _Said:
    heard: _Heard
    text: str
    confidence: float
    scores: Mapping[str, float] | None


class Novelty:
    """Keeps, for each stream and prompt, the last window that was asked about and the answer. One thread at a time."""

    def __init__(self, hear: Callable[[Sequence[Window]], Tensor]) -> None:
        """`hear` gives embeddings (windows, embedding_size)."""
        self._hear = hear
        self._last: dict[_Key, _Said] = {}

    def answer(self, requests: Sequence[Request], ask: Ask) -> list[Generation]:
        """One answer for each of `requests`; `ask` is asked those that are new, if any. Raises what it raises."""
        if all(request.prompt.novelty is None for request in requests):
            return ask(requests)
        directions = functional.normalize(self._hear([request.window for request in requests]).float(), dim=1)
        heard = [
            _Heard(request.stream.session, request.window.segment_sample, direction.clone())
            for request, direction in zip(requests, directions, strict=True)
        ]
        new = self._new(requests, heard)
        asked = [request for request, is_new in zip(requests, new, strict=True) if is_new]
        answers = iter(ask(asked) if asked else ())
        said = [
            self._kept(next(answers), sound) if is_new else self._again(request)
            for request, sound, is_new in zip(requests, heard, new, strict=True)
        ]
        while len(self._last) > MOST_KEPT:
            del self._last[next(iter(self._last))]
        return said

    def _new(self, requests: Sequence[Request], heard: Sequence[_Heard]) -> list[bool]:
        """Which requests are too far from the last that was asked for the same stream and prompt."""
        last = {key: self._last[key].heard for key in map(_key, requests) if key in self._last}
        new = []
        for request, sound in zip(requests, heard, strict=True):
            before, novelty = last.get(_key(request)), request.prompt.novelty
            new.append(before is None or novelty is None or not before.is_like(sound, novelty))
            if new[-1]:
                last[_key(request)] = sound
        return new

    def _kept(self, generation: Generation, heard: _Heard) -> Generation:
        key = _key(generation.request)
        self._last.pop(key, None)
        if generation.request.prompt.novelty is not None:
            self._last[key] = _Said(heard, generation.text, generation.confidence, generation.scores)
        return generation

    def _again(self, request: Request) -> Generation:
        said = self._last.pop(_key(request))
        self._last[_key(request)] = said
        return Generation(request, said.text, said.confidence, said.scores, repeated=True)


def _key(request: Request) -> _Key:
    return request.stream.id, request.prompt

"""The model that is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast

import torch
from pydantic import ValidationError

from pengi_stream.clock import SystemClock
from pengi_stream.errors import ConfigError
from pengi_stream.lab.bench.models.arithmetic import Arithmetic, count
from pengi_stream.models.fake import FakeModelConfig
from pengi_stream.models.pengi import PengiModelConfig
from pengi_stream.models.pengi.checkpoint import Checkpoint, load_checkpoint
from pengi_stream.models.pengi.model import PengiModel
from pengi_stream.models.pengi.placement import devices_of, dtype_of
from pengi_stream.protocols import AudioLanguageModel, Context
from pengi_stream.types import Request

FAKE = "fake"
NO_TOKEN = -1  # what no model writes


class ObservedPengi(PengiModel):
    """Pengi, whose mapper can be timed and whose tokens can be seen, and which can be told to write on behind the stop
    token."""

    def __init__(
        self, checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype, *, ignore_stop: bool = False
    ) -> None:
        super().__init__(checkpoint, device, dtype)
        if ignore_stop:
            self._stop_token = NO_TOKEN

    def written(self, requests: Sequence[Request]) -> list[list[int]]:
        """Tokens of the text of each of `requests`, which share their options."""
        with torch.inference_mode():
            decoded = self._decode(self._read(requests), requests)
        rows = zip(decoded.tokens[:, 0].tolist(), decoded.lengths[:, 0].tolist(), strict=True)
        return [tokens[:length] for tokens, length in rows]

    def score(self, request: Request, tokens: Sequence[int]) -> float:
        """Mean log-probability of `tokens` as the text of `request`, in nats."""
        text, model = torch.tensor([tokens], device=self.device), self._network.language_model
        with torch.inference_mode():
            logits = self._read([request]).widened(len(tokens) - 1).logits_behind(model, text[:, :-1])
        return float(logits.float().log_softmax(dim=-1).gather(2, text[:, :, None]).mean())

    @contextmanager
    def mapper_times(self) -> Iterator[list[float]]:
        """Seconds of each call of the mapper inside."""
        clock, took_s, began_s = SystemClock(), list[float](), list[float]()

        def now_s() -> float:
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            return clock.monotonic_s()

        mapper = self._network.audio_mapper
        hooks = [
            mapper.register_forward_pre_hook(lambda *_: began_s.append(now_s())),
            mapper.register_forward_hook(lambda *_: took_s.append(now_s() - began_s.pop())),
        ]
        try:
            yield took_s
        finally:
            for hook in hooks:
                hook.remove()


@dataclass(frozen=True, slots=True)
class Subject:
    """A model, and how much it must compute, where that is known."""

    name: str
    """Its dtype"""
    model: AudioLanguageModel
    arithmetic: Arithmetic | None = None
    config: str = ""
    """Of the published code: base or base_no_text_enc"""
    prompt_tokens: Callable[[str], int] = field(default=len)


def load(checkpoint: str, dtype: str = "auto", device: str = "auto", *, ignore_stop: bool = False) -> Subject:
    """`fake`, `mini` or a checkpoint folder. Raises CheckpointError and ConfigError."""
    if checkpoint == FAKE:
        return Subject(FAKE, FakeModelConfig(type="fake").build(Context.alone("model")))
    try:
        wanted = PengiModelConfig.model_validate(
            {"type": "pengi", "checkpoint": checkpoint, "device": device, "dtype": dtype}
        )
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        raise ConfigError(f"--{problem['loc'][0]}: {problem['msg'].removeprefix('Value error, ')}") from error
    places = devices_of([cast("str", wanted.device)])
    precision = dtype_of(wanted.dtype, places)
    loaded = load_checkpoint(checkpoint)
    arithmetic = count(loaded.config, loaded.network)
    model = ObservedPengi(loaded, places[0], precision, ignore_stop=ignore_stop)
    return Subject(
        str(precision).removeprefix("torch."),
        model,
        arithmetic,
        "base_no_text_enc" if loaded.config.text.type == "mapped_tokens" else "base",
        lambda prompt: int(model.prompt_embeddings([prompt])[2][0]),
    )

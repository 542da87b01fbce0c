"""Pengi behind the contract of `AudioLanguageModel`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import structlog
import torch
from numpy.typing import NDArray
from torch import Tensor

from pengi_stream.errors import ConfigError, ModelError
from pengi_stream.metrics import Metrics
from pengi_stream.models.pengi.checkpoint import Checkpoint
from pengi_stream.models.pengi.config import RankingConfig
from pengi_stream.models.pengi.decoding.confidence import Confidence, Evidence
from pengi_stream.models.pengi.decoding.decode import bucket, decode
from pengi_stream.models.pengi.decoding.drafts import Drafts, Tokens, padded_drafts
from pengi_stream.models.pengi.decoding.search import Decoded
from pengi_stream.models.pengi.decoding.steps import FixedSteps
from pengi_stream.models.pengi.layers import pack
from pengi_stream.models.pengi.network import Pengi
from pengi_stream.models.pengi.novelty import Novelty
from pengi_stream.models.pengi.ranking import Ranker
from pengi_stream.models.pengi.reading import Reader
from pengi_stream.models.pengi.remarks import remarks
from pengi_stream.models.pengi.text.context import Context
from pengi_stream.models.pengi.text.prompts import prompt_reader
from pengi_stream.models.pengi.text.similarity import text_embeddings
from pengi_stream.models.pengi.text.wordings import once
from pengi_stream.options import Prompt
from pengi_stream.protocols import AudioLanguageModel
from pengi_stream.types import Batch, Generation, Request, Stream, Window

log = structlog.get_logger()

PUBLISHED_PROMPT_TOKENS = 40
FloatArray = NDArray[np.float32]


class PengiModel(AudioLanguageModel):
    """One checkpoint on one device. One thread at a time."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: torch.device,
        dtype: torch.dtype,
        *,
        cuda_graphs: bool = False,
        metrics: Metrics | None = None,
    ) -> None:
        """With `cuda_graphs`, `device` is a GPU. `metrics` count what drafts save."""
        self._tokenizer = checkpoint.tokenizer
        self._prompt_tokenizer = checkpoint.prompt_tokenizer
        self._prompt_tokens = getattr(checkpoint.config.text, "max_prompt_tokens", PUBLISHED_PROMPT_TOKENS)
        self.ranking = checkpoint.config.ranking
        """Its rules where nobody says otherwise"""
        self.device = device
        self._network = _placed(checkpoint.network, device, dtype)
        self._stop_token = checkpoint.config.language_model.stop_token
        self._joints = checkpoint.config.joints
        self.sample_rate = checkpoint.config.sample_rate
        self.window_samples = checkpoint.config.window_samples
        self.hop_grid_samples = checkpoint.config.hop_grid_samples
        self.identity = f"pengi:{checkpoint.checksum}:{str(dtype).removeprefix('torch.')}"
        language_model = self._network.language_model
        self._prompts = prompt_reader(
            checkpoint.config,
            language_model,
            self._network.prompt_encoder,
            self._network.prompt_mapper,
            checkpoint.prompt_tokenizer,
        )
        self._reader = Reader(checkpoint.config, self._network, self._tokenizer, self._prompts, device)
        self._ranker = Ranker(
            language_model, self._reader, self._tokenizer, self._stop_token, checkpoint.config.ranking
        )
        self._novelty = Novelty(lambda windows: self._reader.embeddings(windows)[0])
        self._fixed = FixedSteps(language_model) if cuda_graphs else None
        self._drafts = Drafts(self._stop_token, metrics)
        self._confidence = Confidence(checkpoint.config.confidence, language_model, self._reader.silent)

    def generate(self, batch: Batch) -> list[Generation]:
        """See `AudioLanguageModel.generate`."""
        with _computing():
            return self._novelty.answer(batch.requests, self._answer)

    def _answer(self, requests: Sequence[Request]) -> list[Generation]:
        padded = [*requests, *[requests[-1]] * (bucket(len(requests)) - len(requests))]
        context = self._read(padded)
        if requests[0].prompt.labels:
            return self._rank(requests, context, [request.prompt.text for request in padded])
        return self._write(requests, padded, context)

    def warmup(self) -> None:
        """Run one window of silence."""
        silence = np.zeros(self.window_samples, np.float32)
        window = Window(Stream("warmup"), 0, 0, silence, len(silence), self.sample_rate, 0, 0, 0.0)
        self.generate(Batch((Request(window, Prompt("warmup", "generate audio caption")),)))

    def check_prompts(self, prompts: Sequence[Prompt]) -> None:
        """See `AudioLanguageModel.check_prompts`."""
        for prompt in prompts:
            try:
                with _computing():
                    silent = self._reader.silent([prompt.text], prompt.options.add_text)
                    if prompt.labels:
                        self._ranker.check(silent, prompt.labels)
                    else:
                        self._reader.check_room(silent, prompt.options.max_new_tokens)
            except ModelError as error:
                raise ConfigError(f"prompt {prompt.id!r}: {error}") from error
            for remark in remarks(prompt, self._tokenizer, self._prompt_tokens):
                log.warning("prompt_remark", prompt=prompt.id, remark=remark)

    def audio_embeddings(self, windows: Sequence[Window]) -> tuple[FloatArray, FloatArray]:
        """What the mapper maps (windows, embedding_size), and the prefixes (windows, prefix_length, width).

        Raises ModelError."""
        with _computing():
            embeddings, prefixes = self._reader.embeddings(windows)
            return _array(embeddings), _array(prefixes)

    def prompt_embeddings(self, texts: Sequence[str]) -> tuple[FloatArray, FloatArray, NDArray[np.int64]]:
        """See `PromptReader.embeddings`; then the prefixes (texts, slots, width), and how many of their slots count
        (texts,)."""
        with _computing():
            prefixes, lengths = self._prompts.read(texts)
            return _array(self._prompts.embeddings(texts)), _array(prefixes), lengths.cpu().numpy()

    def text_embeddings(self, texts: Sequence[str]) -> FloatArray:
        """(texts, size), of length 1: how similar texts are; see `similarity.text_embeddings`."""
        model, encoder = self._network.language_model, self._network.prompt_encoder
        with _computing():
            return _array(text_embeddings(model, encoder, self._tokenizer, self._prompt_tokenizer, texts))

    def label_scores(
        self, windows: Sequence[Window], prompt: str, labels: tuple[str, ...], rules: RankingConfig
    ) -> FloatArray:
        """Log-likelihoods (windows, labels) behind `prompt`, in nats, by `rules`. Raises ModelError."""
        prompts = [prompt] * len(windows)
        with _computing():
            scores = self._ranker.scores(self._reader.read(windows, prompts), prompts, labels, rules=rules)
            _check_finite(scores)
            return _array(scores)

    def explained(self, batch: Batch) -> list[tuple[Generation, Evidence]]:
        """As `generate` without labels, with what speaks for each text: what a calibration starts from."""
        prompts = [request.prompt.text for request in batch.requests]
        with _computing():
            context = self._read(batch.requests)
            decoded = self._decode(context, batch.requests)
            add_text = batch.options.add_text
            evidence = self._confidence.evidence(prompts, context, decoded, add_text)
            confidences = self._confidence.of(prompts, context, decoded, add_text)
            return list(zip(self._generations(batch.requests, decoded, confidences), evidence, strict=True))

    def _read(self, requests: Sequence[Request]) -> Context:
        windows, prompts = [request.window for request in requests], [request.prompt.text for request in requests]
        return self._reader.read(windows, prompts, requests[0].options.add_text)

    def _write(self, requests: Sequence[Request], padded: Sequence[Request], context: Context) -> list[Generation]:
        options = requests[0].options
        drafts = self._drafts.offer(padded) if options.greedy else ()
        decoded = self._decode(context, padded, drafts)
        _check_finite(decoded.scores[: len(requests)])
        self._drafts.learn(requests, decoded, drafts)
        prompts = [request.prompt.text for request in padded]
        confidences = self._confidence.of(prompts, context, decoded, options.add_text)
        return self._generations(requests, decoded, confidences)

    def _decode(self, context: Context, requests: Sequence[Request], drafts: Sequence[Tokens] = ()) -> Decoded:
        options, model = requests[0].options, self._network.language_model
        self._reader.check_room(context, options.max_new_tokens)
        first_samples = [request.first_sample for request in requests]
        offered = padded_drafts(drafts, self.device) if drafts else None
        decoded = decode(model, context, options, self._stop_token, first_samples, offered, self._fixed)
        return decoded if options.temperature == 1 else replace(decoded, logprobs=None)  # those are of other odds

    def _generations(
        self, requests: Sequence[Request], decoded: Decoded, confidences: Sequence[float]
    ) -> list[Generation]:
        generations = []
        rows = zip(requests, decoded.tokens[:, 0].tolist(), decoded.lengths[:, 0].tolist(), confidences, strict=False)
        for request, tokens, length, confidence in rows:
            written = [token for token in tokens[:length] if token != self._stop_token]
            text = before(self._tokenizer.decode(written), request.options.stop).strip()
            generations.append(Generation(request, once(text, self._joints), confidence, tokens=length))
        return generations

    def _rank(self, requests: Sequence[Request], context: Context, prompts: Sequence[str]) -> list[Generation]:
        options, labels = requests[0].options, requests[0].prompt.labels
        scores = self._ranker.scores(context, prompts, labels, options.add_text)
        _check_finite(scores[: len(requests)])
        generations = []
        for request, row in zip(requests, scores.softmax(dim=-1).tolist(), strict=False):
            by_label = dict(zip(labels, row, strict=True))
            best = max(labels, key=by_label.__getitem__)
            generations.append(Generation(request, best, by_label[best], by_label))
        return generations


def _array(tensor: Tensor) -> FloatArray:
    found: FloatArray = tensor.float().cpu().numpy()
    return found


def before(text: str, stops: Sequence[str]) -> str:
    """`text` up to the first of `stops` in it."""
    return text[: min((place for stop in stops if (place := text.find(stop)) >= 0), default=len(text))]


@contextmanager
def _computing() -> Iterator[None]:
    """No gradients; errors of torch become ModelError."""
    try:
        with torch.inference_mode():
            yield
    except (RuntimeError, IndexError) as error:
        first_line, *_ = str(error).splitlines() or ["no message"]
        raise ModelError(f"{type(error).__name__}: {first_line}") from error


def _check_finite(scores: Tensor) -> None:
    if not scores.isfinite().all():
        raise ModelError("found no finite score for a window: its samples are far out of range, expected -1 to 1")


def _placed(network: Pengi, device: torch.device, dtype: torch.dtype) -> Pengi:
    """`network` on `device`, its weights in `dtype`; buffers (filters, statistics) stay in float32."""
    for parameter in network.parameters():
        layout = torch.channels_last if parameter.ndim == 4 else torch.preserve_format
        parameter.data = parameter.data.to(device, dtype, memory_format=layout)
    network.to(device)
    network.language_model.pack()
    pack(network)
    return network

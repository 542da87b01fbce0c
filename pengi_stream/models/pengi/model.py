"""Pengi behind the contract of `AudioLanguageModel`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from pengi_stream.errors import ModelError
from pengi_stream.models.pengi.checkpoint import Checkpoint
from pengi_stream.models.pengi.confidence import Confidence, Evidence
from pengi_stream.models.pengi.context import Context, read_behind
from pengi_stream.models.pengi.decoding import Decoded, decode
from pengi_stream.models.pengi.encoding import window_encoder
from pengi_stream.models.pengi.network import Pengi
from pengi_stream.models.pengi.packed import pack
from pengi_stream.models.pengi.prompts import CACHED_PROMPTS, prompt_reader
from pengi_stream.models.pengi.ranking import log_likelihoods
from pengi_stream.types import Batch, DecodingOptions, Generation, Prompt, Request, Samples, Stream, Window

LARGEST_BUCKET = 32


class PengiModel:
    """One checkpoint on one device. One thread at a time."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> None:
        self._config = checkpoint.config
        self._tokenizer = checkpoint.tokenizer
        self.device = device
        self._network = _placed(checkpoint.network, device, dtype)
        self._encoder = window_encoder(self._network.audio_encoder, device)
        self._stop_token = checkpoint.config.language_model.stop_token
        self.sample_rate = checkpoint.config.sample_rate
        self.window_samples = checkpoint.config.window_samples
        self.hop_grid_samples = checkpoint.config.hop_grid_samples
        self.identity = f"pengi:{checkpoint.checksum}:{str(dtype).removeprefix('torch.')}"
        self._prompts = prompt_reader(checkpoint.config, self._network, checkpoint.prompt_tokenizer)
        self._priors = lru_cache(CACHED_PROMPTS)(self._prior)
        self._confidence = Confidence(checkpoint.config.confidence, self._network.language_model, self._silence)

    def generate(self, batch: Batch) -> list[Generation]:
        """See `AudioLanguageModel.generate`."""
        requests = batch.requests
        padded = [*requests, *[requests[-1]] * (bucket(len(requests)) - len(requests))]
        try:
            with torch.inference_mode():
                context = self._read(padded)
                if batch.labels:
                    return self._rank(requests, context, batch.labels)
                return self._write(requests, [request.prompt.text for request in padded], context)
        except (RuntimeError, IndexError) as error:
            first_line, *_ = str(error).splitlines() or ["no message"]
            raise ModelError(f"{type(error).__name__}: {first_line}") from error

    def warmup(self) -> None:
        """Run one window of silence."""
        silence = np.zeros(self.window_samples, np.float32)
        window = Window(Stream("warmup"), 0, 0, silence, len(silence), self.sample_rate, 0, 0, 0.0)
        self.generate(Batch((Request(window, Prompt("warmup", "generate audio caption")),)))

    def _read(self, requests: Sequence[Request]) -> Context:
        """Audio, then prompt; each window's audio is encoded and read once, whatever is asked of it."""
        windows = list({id(request.window): request.window for request in requests}.values())
        index = {id(window): row for row, window in enumerate(windows)}
        prefixes = self._network.audio_mapper(self._encoder.encode([self._checked(window) for window in windows]))
        rows = torch.tensor([index[id(request.window)] for request in requests], device=self.device)
        return self._context(prefixes, rows, [request.prompt.text for request in requests])

    def _checked(self, window: Window) -> Samples:
        samples = window.samples
        if samples.shape != (self.window_samples,) or window.sample_rate != self.sample_rate:
            raise ModelError(
                f"found a window of the shape {samples.shape} at {window.sample_rate} Hz, "
                f"expected ({self.window_samples},) at {self.sample_rate} Hz"
            )
        if not np.isfinite(samples).all():
            raise ModelError("found NaN or infinite samples in a window, expected finite audio")
        return samples

    def _context(self, audio_prefixes: Tensor, rows: Tensor, texts: Sequence[str]) -> Context:
        prompts, lengths = self._prompts.read(texts)
        return read_behind(self._network.language_model, audio_prefixes, rows, prompts, lengths)

    def _check_room(self, context: Context, tokens: int) -> None:
        positions = self._config.language_model.positions
        needed = int(context.lengths.max()) + tokens - 1  # the last one is not read
        if needed > positions:
            raise ModelError(
                f"audio, prompt and {tokens} tokens of text need {needed} positions, the model has {positions}; "
                "shorten the prompt, its labels or max_new_tokens"
            )

    def explained(self, batch: Batch) -> list[tuple[Generation, Evidence]]:
        """As `generate` without labels, with what speaks for each text: what a calibration starts from."""
        prompts = [request.prompt.text for request in batch.requests]
        with torch.inference_mode():
            context = self._read(batch.requests)
            decoded = self._decode(context, batch.requests[0].options)
            evidence = self._confidence.evidence(prompts, context, decoded)
            made = self._generations(batch.requests, decoded, self._confidence.of(prompts, context, decoded))
        return list(zip(made, evidence, strict=True))

    def _write(self, requests: Sequence[Request], prompts: Sequence[str], context: Context) -> list[Generation]:
        decoded = self._decode(context, requests[0].options)
        _check_finite(decoded.scores[: len(requests)])
        return self._generations(requests, decoded, self._confidence.of(prompts, context, decoded))

    def _decode(self, context: Context, options: DecodingOptions) -> Decoded:
        self._check_room(context, options.max_new_tokens)
        return decode(self._network.language_model, context, options, self._stop_token)

    def _generations(
        self, requests: Sequence[Request], decoded: Decoded, confidences: Sequence[float]
    ) -> list[Generation]:
        generations = []
        rows = zip(requests, decoded.tokens[:, 0].tolist(), decoded.lengths[:, 0].tolist(), confidences, strict=False)
        for request, tokens, length, confidence in rows:
            written = [token for token in tokens[:length] if token != self._stop_token]
            text = self._tokenizer.decode(written).strip()
            generations.append(Generation(request, text, confidence, tokens=length))
        return generations

    def _rank(self, requests: Sequence[Request], context: Context, labels: tuple[str, ...]) -> list[Generation]:
        scores = self._label_scores(context, labels)
        if self._config.ranking.prior_corrected:
            priors = {request.prompt.text: self._priors(request.prompt.text, labels) for request in requests}
            scores[: len(requests)] -= torch.stack([priors[request.prompt.text] for request in requests])
        _check_finite(scores[: len(requests)])
        generations = []
        for request, row in zip(requests, scores.softmax(dim=-1).tolist(), strict=False):
            by_label = dict(zip(labels, row, strict=True))
            best = max(labels, key=by_label.__getitem__)
            generations.append(Generation(request, best, by_label[best], by_label))
        return generations

    def _label_scores(self, context: Context, labels: tuple[str, ...]) -> Tensor:
        """Log-likelihoods (batch, labels), by the config's rules but for the prior."""
        tokens = [self._tokenizer.encode(label).ids for label in labels]
        self._check_room(context, max(len(label) for label in tokens) + 1)
        scores = log_likelihoods(self._network.language_model, context, tokens, self._stop_token)
        if self._config.ranking.length_normalized:
            scores = scores / torch.tensor([len(label) + 1 for label in tokens], device=self.device)
        return scores

    def _prior(self, text: str, labels: tuple[str, ...]) -> Tensor:
        """What the labels' scores are without audio: (labels,)."""
        return self._label_scores(self._silence([text]), labels)[0]

    def _silence(self, texts: Sequence[str]) -> Context:
        """Prompts behind no audio."""
        prefix = self._network.audio_mapper.without_audio()
        return self._context(prefix, torch.zeros(len(texts), dtype=torch.long, device=self.device), texts)


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


def bucket(size: int) -> int:
    """The fixed batch size that `size` requests are padded to: 1, 2, 4 ... 32, then multiples of 32."""
    if size > LARGEST_BUCKET:
        return -(-size // LARGEST_BUCKET) * LARGEST_BUCKET
    return 1 << (size - 1).bit_length()

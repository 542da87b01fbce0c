"""Windows and prompts -> what the language model goes on from."""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from pengi_stream.errors import ModelError
from pengi_stream.models.pengi.audio.encoding import window_encoder
from pengi_stream.models.pengi.config import PengiConfig
from pengi_stream.models.pengi.network import Pengi
from pengi_stream.models.pengi.text.context import Context, read_behind
from pengi_stream.models.pengi.text.prompts import PromptReader, followed
from pengi_stream.types import Samples, Window


class Reader:
    """Encodes the audio of each window once, whatever is asked of it and in however many batches."""

    def __init__(
        self, config: PengiConfig, network: Pengi, tokenizer: Tokenizer, prompts: PromptReader, device: torch.device
    ) -> None:
        """`tokenizer` is the language model's."""
        self._config = config
        self._network = network
        self._tokenizer = tokenizer
        self._prompts = prompts
        self._device = device
        self._encoder = window_encoder(network.audio_encoder, device)
        self._heard: WeakKeyDictionary[Window, tuple[Tensor, Tensor]] = WeakKeyDictionary()
        """Embeddings and prefixes of the windows that are still in use"""

    def read(self, windows: Sequence[Window], prompts: Sequence[str], add_text: str = "") -> Context:
        """Audio, then prompt, then `add_text`: a row for each window and its prompt. Raises ModelError."""
        each = list(dict.fromkeys(windows))
        index = {window: row for row, window in enumerate(each)}
        rows = torch.tensor([index[window] for window in windows], device=self._device)
        return self._behind(self.embeddings(each)[1], rows, prompts, add_text)

    def silent(self, prompts: Sequence[str], add_text: str = "") -> Context:
        """As `read`, behind no audio."""
        rows = torch.zeros(len(prompts), dtype=torch.long, device=self._device)
        return self._behind(self._network.audio_mapper.without_audio(), rows, prompts, add_text)

    def embeddings(self, windows: Sequence[Window]) -> tuple[Tensor, Tensor]:
        """What the mapper maps (windows, embedding_size), and what it maps it to (windows, prefix_length, width).

        Raises ModelError."""
        new = [window for window in dict.fromkeys(windows) if window not in self._heard]
        if new:
            encoded, mapper = self._encoded(new), self._network.audio_mapper
            for window, embedding, prefix in zip(new, mapper.embedding(encoded), mapper(encoded), strict=True):
                self._heard[window] = embedding.clone(), prefix.clone()
        embeddings, prefixes = zip(*(self._heard[window] for window in windows), strict=True)
        return torch.stack(embeddings), torch.stack(prefixes)

    def check_room(self, context: Context, tokens: int) -> None:
        """Raises ModelError where the language model has no positions for `tokens` behind `context`."""
        self._check_positions(
            int(context.lengths.max()) + tokens - 1, f"{tokens} tokens of text"
        )  # the last is not read

    def _encoded(self, windows: Sequence[Window]) -> Tensor:
        return self._encoder.encode([self._checked(window) for window in windows])

    def _behind(self, beginnings: Tensor, rows: Tensor, prompts: Sequence[str], add_text: str) -> Context:
        embeddings, lengths = self._prompts.read(prompts)
        if add_text:
            tokens = torch.tensor(self._tokenizer.encode(add_text).ids, device=self._device)
            embeddings, lengths = followed(embeddings, lengths, self._network.language_model.embed(tokens))
        first = beginnings.shape[1]
        self._check_positions(first + int(lengths.max()), "added text")
        embeddings = embeddings[:, : self._config.language_model.positions - first]  # padding may go beyond
        return read_behind(self._network.language_model, beginnings, rows, embeddings, lengths)

    def _check_positions(self, needed: int, what: str) -> None:
        positions = self._config.language_model.positions
        if needed > positions:
            raise ModelError(
                f"audio, prompt and {what} need {needed} positions, the model has {positions}; "
                "shorten the prompt, its labels, add_text or max_new_tokens"
            )

    def _checked(self, window: Window) -> Samples:
        samples, config = window.samples, self._config
        if samples.shape != (config.window_samples,) or window.sample_rate != config.sample_rate:
            raise ModelError(
                f"found a window of the shape {samples.shape} at {window.sample_rate} Hz, "
                f"expected ({config.window_samples},) at {config.sample_rate} Hz"
            )
        if not np.isfinite(samples).all():
            raise ModelError("found NaN or infinite samples in a window, expected finite audio")
        return samples

"""A Pengi checkpoint for use from Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast, overload

import numpy as np
from pydantic import ValidationError

from pengi_stream.api.audio import Audio, recordings, windows_of
from pengi_stream.api.checks import checked_labels, checked_prompts
from pengi_stream.api.results import Answer, AudioEmbeddings, Description, Found, PromptEmbeddings, answer_of, span_s
from pengi_stream.api.table import Table
from pengi_stream.config import WindowConfig
from pengi_stream.errors import ConfigError
from pengi_stream.models.pengi import PengiModelConfig
from pengi_stream.models.pengi.config import RankingConfig
from pengi_stream.options import DecodingOptions, Prompt
from pengi_stream.prompts import TASKS
from pengi_stream.runtime.build import window_spec
from pengi_stream.types import Batch, Request, Samples, Window

if TYPE_CHECKING:
    from pengi_stream.models.pengi.model import FloatArray, PengiModel

MAX_BATCH_SIZE = 16
GREEDY, THREE_BEAMS = DecodingOptions(), DecodingOptions(beams=3)
CAPTION = TASKS["caption"]
DESCRIPTION = [CAPTION, TASKS["tags"], TASKS["events"]]
PRIOR_CORRECTED = RankingConfig(length_normalized=False, prior_corrected=True)

T = TypeVar("T")


class Model:
    """Pengi on one device. Methods block until all is computed; one thread at a time.

    Wherever `audio` is taken, it is a float array (time,) or (time, channels) with its `sample_rate` in Hz, the path
    of a file, or a list of these. Channels are averaged, other rates resampled. A recording that is shorter than the
    model's window is repeated until it fills the window; a longer one is cut into windows that start every `hop_s`
    seconds (default: half a window, on the model's hop grid), and what the last whole one does not cover is repeated.
    Nothing is cropped at random. Files are read as windows are computed.

    All methods raise AudioError (no audio, NaN, a wrong shape, a file that cannot be read), ConfigError (an empty
    prompt, no labels) or ModelError (a text that the model cannot hold).
    """

    def __init__(self, model: PengiModel) -> None:
        self._model = model

    def __repr__(self) -> str:
        return f"<pengi_stream.Model {self.identity}, {self.window_s:.2f} s at {self.sample_rate} Hz>"

    @property
    def sample_rate(self) -> int:
        """Hertz, of the audio that the model hears"""
        return self._model.sample_rate

    @property
    def window_s(self) -> float:
        """Seconds of audio that the model hears at once"""
        return self._model.window_samples / self._model.sample_rate

    @property
    def identity(self) -> str:
        """Checkpoint checksum and dtype"""
        return self._model.identity

    def generate(
        self,
        audio: Audio,
        prompts: str | Sequence[str],
        options: DecodingOptions = GREEDY,
        *,
        sample_rate: int | None = None,
        hop_s: float | None = None,
    ) -> Table[Answer]:
        """What the model writes: an answer for each recording, window and prompt, in this order."""
        asked = [Prompt(text, text, options) for text in checked_prompts(prompts)]
        return self._answers(self._windows(audio, sample_rate, hop_s), asked)

    def describe(
        self,
        audio: Audio,
        options: DecodingOptions = THREE_BEAMS,
        *,
        sample_rate: int | None = None,
        hop_s: float | None = None,
    ) -> Table[Description]:
        """The summary of the published code: what the model writes to its three prompts, and a sentence of them, for
        each recording and window, in this order."""
        answers = self.generate(audio, DESCRIPTION, options, sample_rate=sample_rate, hop_s=hop_s)
        return Table(Description(*answers[start : start + 3]) for start in range(0, len(answers), 3))

    def rank(
        self,
        audio: Audio,
        prompt: str,
        labels: Sequence[str],
        *,
        normalized: bool | None = None,
        prior_corrected: bool | None = None,
        sample_rate: int | None = None,
        hop_s: float | None = None,
    ) -> Table[Answer]:
        """How likely the model finds each of `labels` behind `prompt`: an answer for each recording and window, in this
        order. `text` is the likeliest label, `scores` has a share of 1 for each: softmax of their log-likelihoods.

        `normalized`: these are divided by the label's tokens. `prior_corrected`: less what they are without audio, so
        that what is common in texts is not more likely to be heard. None: as the checkpoint's config says."""
        [text], names = checked_prompts(prompt), checked_labels(labels)
        changes = {"length_normalized": normalized, "prior_corrected": prior_corrected}
        rules = self._model.ranking.model_copy(update={k: v for k, v in changes.items() if v is not None})
        answers: Table[Answer] = Table()
        for heard in _chunks(self._windows(audio, sample_rate, hop_s), MAX_BATCH_SIZE):
            scores = self._model.label_scores([window for _, window in heard], text, names, rules)
            shares = np.exp(scores - scores.max(axis=1, keepdims=True))
            shares /= shares.sum(axis=1, keepdims=True)
            for (index, window), row in zip(heard, shares.tolist(), strict=True):
                best = int(np.argmax(row))
                by_label = dict(zip(names, row, strict=True))
                answers.append(Answer(index, *span_s(window), text, names[best], row[best], by_label))
        return answers

    def match(
        self,
        audio: Audio,
        prompt: str,
        labels: Sequence[str],
        options: DecodingOptions = GREEDY,
        *,
        sample_rate: int | None = None,
        hop_s: float | None = None,
    ) -> Table[Answer]:
        """What the model writes, and which of `labels` is most similar to it: an answer for each recording and window,
        in this order. `text` is that label, `scores` the cosine similarities, `written` and `confidence` what was
        written and how sure.

        Similarity is CLIP's text encoder's where the model has one (`base`), else that of the means of the tokens'
        embeddings in the language model."""
        names = checked_labels(labels)
        answers = self.generate(audio, checked_prompts(prompt)[:1], options, sample_rate=sample_rate, hop_s=hop_s)
        embedded = self._model.text_embeddings(names)
        matched: Table[Answer] = Table()
        for answer in answers:
            similar = (embedded @ self._model.text_embeddings([answer.text])[0]).tolist()
            best, by_label = names[int(np.argmax(similar))], dict(zip(names, similar, strict=True))
            matched.append(replace(answer, text=best, scores=by_label, written=answer.text))
        return matched

    @overload
    def retrieve(
        self, query: str, among: Audio, *, prompt: str = ..., sample_rate: int | None = ..., hop_s: float | None = ...
    ) -> Table[Found]: ...
    @overload
    def retrieve(
        self,
        query: Samples | Path,
        among: Sequence[str],
        *,
        prompt: str = ...,
        sample_rate: int | None = ...,
        hop_s: float | None = ...,
    ) -> Table[Found]: ...
    def retrieve(
        self,
        query: str | Samples | Path,
        among: Audio | Sequence[str],
        *,
        prompt: str = CAPTION,
        sample_rate: int | None = None,
        hop_s: float | None = None,
    ) -> Table[Found]:
        """The recordings of `among` that fit the text `query`, or the texts of `among` that fit the recording `query`
        (an array or a Path: a str is a text); all of them, best first.

        By how likely the model finds the text behind `prompt`, less what it is without audio."""
        if isinstance(query, str):
            audio, texts = among, tuple(checked_prompts(query))
        else:
            audio, texts = query, checked_labels(cast("Sequence[str]", among))
        [asked] = checked_prompts(prompt)
        by_audio: dict[int, list[FloatArray]] = {}
        for heard in _chunks(self._windows(audio, sample_rate, hop_s), MAX_BATCH_SIZE):
            scores = self._model.label_scores([window for _, window in heard], asked, texts, PRIOR_CORRECTED)
            for (index, _), row in zip(heard, scores, strict=True):
                by_audio.setdefault(index, []).append(row)
        found = [
            Found(index, text, float(score))
            for index, rows in by_audio.items()
            for text, score in zip(texts, np.mean(rows, axis=0), strict=True)
        ]
        return Table(sorted(found, key=lambda one: -one.score))

    def audio_embeddings(
        self, audio: Audio, *, sample_rate: int | None = None, hop_s: float | None = None
    ) -> AudioEmbeddings:
        """What the model makes of the windows of all recordings, in order."""
        index, spans, embedding, prefix = [], [], [], []
        for heard in _chunks(self._windows(audio, sample_rate, hop_s), MAX_BATCH_SIZE):
            embeddings, prefixes = self._model.audio_embeddings([window for _, window in heard])
            index += [number for number, _ in heard]
            spans += [span_s(window) for _, window in heard]
            embedding.append(embeddings)
            prefix.append(prefixes)
        start_s, end_s = np.array(spans).T
        return AudioEmbeddings(np.array(index), start_s, end_s, np.concatenate(embedding), np.concatenate(prefix))

    def prompt_embeddings(self, prompts: str | Sequence[str]) -> PromptEmbeddings:
        """What the model makes of prompts. They are cut where the model's config says (40 tokens)."""
        return PromptEmbeddings(*self._model.prompt_embeddings(checked_prompts(prompts)))

    def _answers(self, windows: Iterator[tuple[int, Window]], asked: Sequence[Prompt]) -> Table[Answer]:
        answers: Table[Answer] = Table()
        for heard in _chunks(windows, max(1, MAX_BATCH_SIZE // len(asked))):
            requests = [(index, Request(window, prompt)) for index, window in heard for prompt in asked]
            for chunk in _chunks(iter(requests), MAX_BATCH_SIZE):
                generations = self._model.generate(Batch(tuple(request for _, request in chunk)))
                answers += [answer_of(index, said) for (index, _), said in zip(chunk, generations, strict=True)]
        return answers

    def _windows(self, audio: Audio, sample_rate: int | None, hop_s: float | None) -> Iterator[tuple[int, Window]]:
        """The windows of all recordings, each with the index of its recording."""
        if hop_s is not None and not hop_s > 0:
            raise ConfigError(f"found hop_s={hop_s}, expected seconds above 0")
        spec = window_spec(WindowConfig(hop_s=hop_s, tail="repeat"), self._model)
        for index, recording in enumerate(recordings(audio)):
            for window in windows_of(recording, index, sample_rate, spec):
                yield index, window


def load_model(checkpoint: str | Path = "mini", device: str = "auto", dtype: str = "auto") -> Model:
    """Load `mini`, which ships with the package, or a folder that `pengi-stream convert` wrote.

    `device`: auto, cpu, cuda or cuda:N; auto takes a GPU where there is one. `dtype`: auto, float32, bfloat16 or
    float16; auto is float32 on a CPU and bfloat16 on a GPU. Raises CheckpointError and ConfigError."""
    found = {"type": "pengi", "checkpoint": str(checkpoint), "device": device, "dtype": dtype}
    try:
        config = PengiModelConfig.model_validate(found)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise ConfigError(f"{problem['loc'][0]}={problem['input']!r}: {problem['msg']}") from error
    return Model(config.copies()[0])


def _chunks(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while chunk := list(islice(items, size)):
        yield chunk

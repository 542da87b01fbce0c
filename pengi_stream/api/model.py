"""A Pengi checkpoint for use from Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from pengi_stream.api.audio import Audio, recordings, windows_of
from pengi_stream.api.results import Answer, answer_of
from pengi_stream.config import WindowConfig
from pengi_stream.errors import ConfigError
from pengi_stream.models.pengi import PengiModelConfig
from pengi_stream.runtime.build import window_spec
from pengi_stream.types import Batch, DecodingOptions, Prompt, Request, Window

if TYPE_CHECKING:
    from pathlib import Path

    from pengi_stream.models.pengi.model import PengiModel

MAX_BATCH_SIZE = 16
GREEDY = DecodingOptions()

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
    ) -> list[Answer]:
        """What the model writes: an answer for each recording, window and prompt, in this order."""
        asked = [Prompt(text, text, options) for text in _checked_prompts(prompts)]
        return self._answers(self._windows(audio, sample_rate, hop_s), asked)

    def rank(
        self,
        audio: Audio,
        prompt: str,
        labels: Sequence[str],
        *,
        sample_rate: int | None = None,
        hop_s: float | None = None,
    ) -> list[Answer]:
        """How likely the model finds each of `labels` behind `prompt`: an answer for each recording and window, in this
        order. `text` is the likeliest label, `scores` has a share of 1 for each."""
        [text] = _checked_prompts(prompt)
        asked = [Prompt(text, text, labels=_checked_labels(labels))]
        return self._answers(self._windows(audio, sample_rate, hop_s), asked)

    def _answers(self, windows: Iterator[tuple[int, Window]], asked: Sequence[Prompt]) -> list[Answer]:
        answers = []
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


def _checked_prompts(prompts: str | Sequence[str]) -> list[str]:
    texts = [prompts] if isinstance(prompts, str) else list(prompts)
    if not texts or not all(text.strip() for text in texts):
        raise ConfigError(f"found {texts or 'no prompt'}, expected prompts that are not empty")
    return texts


def _checked_labels(labels: Sequence[str]) -> tuple[str, ...]:
    names = () if isinstance(labels, str) else tuple(labels)
    if not names or not all(name.strip() for name in names) or len(set(names)) < len(names):
        raise ConfigError(f"found the labels {labels!r:.200}, expected a list of them, none empty and none twice")
    return names


def _chunks(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while chunk := list(islice(items, size)):
        yield chunk

"""What the Python API answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pengi_stream.types import Generation, Window


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said to one prompt about one window."""

    audio: int
    """Index of the recording in the batch; 0 where one was given"""
    start_s: float
    """Seconds from the recording's start to the window's"""
    end_s: float
    """Seconds from the recording's start to the window's end, or to its own end where it ends within the window"""
    prompt: str
    text: str
    confidence: float
    """0 to 1: how likely the text is right, or the geometric mean of its tokens' probabilities where the checkpoint was
    not calibrated; of a label that was ranked, its share of the scores"""
    scores: Mapping[str, float] | None = None
    """Labels that were ranked: a score each, their sum is 1; labels that were matched: cosine similarities, -1 to 1"""
    written: str | None = None
    """Labels that were matched: what the model wrote, to which `text` is the most similar label"""


@dataclass(frozen=True, slots=True)
class Description:
    """What the model says of one window to the three prompts of the published `describe`."""

    caption: Answer
    metadata: Answer
    events: Answer

    @property
    def text(self) -> str:
        """The published sentence"""
        return f"{self.caption.text} {self.metadata.text} this audio contains sound events: {self.events.text}."


@dataclass(frozen=True, slots=True)
class Found:
    """A recording and a text, and how well they fit."""

    audio: int
    """Index of the recording"""
    text: str
    score: float
    """How much more likely the recording makes the text, in nats, in the mean over its windows; above 0: more likely"""


@dataclass(frozen=True, slots=True, eq=False)
class AudioEmbeddings:
    """Of windows; those of one recording are next to each other."""

    audio: NDArray[np.int64]  # (windows,): index of the recording
    start_s: NDArray[np.float64]  # (windows,): seconds from the recording's start
    end_s: NDArray[np.float64]  # (windows,)
    embedding: NDArray[
        np.float32
    ]  # (windows, embedding_size): what is mapped; of length 1 for the published checkpoints
    prefix: NDArray[np.float32]  # (windows, prefix_length, width): what the language model reads


@dataclass(frozen=True, slots=True, eq=False)
class PromptEmbeddings:
    """Of prompts, in order."""

    embedding: NDArray[np.float32]
    """(prompts, embedding_size) of the text encoder, not normalised; without one, token embeddings (prompts, slots,
    width)"""
    prefix: NDArray[np.float32]  # (prompts, slots, width): what the language model reads
    lengths: NDArray[np.int64]  # (prompts,): how many of the prefix' slots count


def span_s(window: Window) -> tuple[float, float]:
    """Seconds from the recording's start to the window's, and to its end."""
    return window.offset_s, (window.first_sample + window.valid_samples) / window.sample_rate


def answer_of(audio: int, generation: Generation) -> Answer:
    """`generation` about a window of recording `audio`."""
    start_s, end_s = span_s(generation.request.window)
    prompt = generation.request.prompt.text
    return Answer(audio, start_s, end_s, prompt, generation.text, generation.confidence, generation.scores)

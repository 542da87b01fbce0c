"""What the Python API answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pengi_stream.types import Generation


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
    """0 to 1: geometric mean of the probabilities of the tokens; of a label, its share of the scores"""
    scores: Mapping[str, float] | None = None
    """Close-ended prompts: a score per label, their sum is 1"""


def answer_of(audio: int, generation: Generation) -> Answer:
    """`generation` about a window of recording `audio`."""
    window, prompt = generation.request.window, generation.request.prompt
    end_s = (window.first_sample + window.valid_samples) / window.sample_rate
    return Answer(audio, window.offset_s, end_s, prompt.text, generation.text, generation.confidence, generation.scores)

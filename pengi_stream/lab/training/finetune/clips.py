"""The clips and captions that a checkpoint is fine-tuned on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from pengi_stream.audio.decode import load_audio
from pengi_stream.errors import ConfigError
from pengi_stream.lab.evaluation.rows import read_rows
from pengi_stream.lab.mixing import SAMPLE_RATE, tile
from pengi_stream.lab.prompts import CAPTION, EVENTS, QUESTION
from pengi_stream.lab.training.data.augment import cut, disturb
from pengi_stream.lab.training.texts.writer import Text
from pengi_stream.types import Samples

WINDOWS = 600
"""About as many windows are made, of few clips or many"""
COPIES = (3, 24)
"""Of each clip: at least and at most"""
LONGEST_TOKENS = 30


@dataclass(frozen=True, slots=True)
class CaptionedClip:
    """A recording and what the model is to say of it."""

    samples: Samples  # (time,), at 16 kHz
    caption: str
    label: str
    """What it is to name as the sound event; the caption where nothing else was given"""

    def text(self, rng: np.random.Generator) -> Text:
        """A prompt and its answer; every other time the caption."""
        draw = rng.random()
        if draw < 0.5:
            return Text(CAPTION, self.caption)
        return Text(EVENTS if draw < 0.8 else f"{QUESTION}what is making the sound?", self.label)


def read_captioned(path: Path, tokenizer: Tokenizer) -> list[CaptionedClip]:
    """The clips of a CSV file with the columns path, caption and, if wanted, label; paths are relative to the file.

    Raises ConfigError, which names file, line and what is wrong, and AudioError.
    """
    clips = []
    for number, row in enumerate(read_rows(path, ("path", "caption")), start=2):
        audio = path.parent / row["path"]
        if not audio.is_file():
            raise ConfigError(f"{path}, line {number}: there is no file {audio}; paths are relative to {path.parent}")
        caption = " ".join(row["caption"].split())
        label = " ".join((row.get("label") or "").split()) or caption
        for text in (caption, label):
            if (tokens := len(tokenizer.encode(text).ids)) > LONGEST_TOKENS:
                raise ConfigError(
                    f"{path}, line {number}: found {tokens} tokens, expected at most {LONGEST_TOKENS}; shorten {text!r}"
                )
        clips.append(CaptionedClip(load_audio(audio, SAMPLE_RATE), caption, label))
    return clips


def make_windows(clips: Sequence[CaptionedClip], count: int, seed: int) -> tuple[list[Samples], list[CaptionedClip]]:
    """Windows of `count` samples as a service meets them, and the clip of each: the first as it is, the others cut
    anywhere and disturbed."""
    least, most = COPIES
    copies = min(max(WINDOWS // len(clips), least), most)
    windows = []
    for index, clip in enumerate(clips):
        rng = np.random.default_rng((seed, index))
        windows.append(tile(clip.samples, count))
        windows += [disturb(cut(clip.samples, count, rng), rng) for _ in range(copies - 1)]
    return windows, [clip for clip in clips for _ in range(copies)]

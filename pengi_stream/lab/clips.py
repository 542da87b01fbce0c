"""Which recordings there are to train on, what sounds in each, and which are held out."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pengi_stream.errors import ConfigError

Split = Literal["train", "test"]
LABELS, AUDIOCAPS = "labels.csv", "captions/audiocaps_{}.csv"
HELD_OUT_FOLD = "4"
ESC_NAME = re.compile(r"^(?P<fold>\d)-(?P<source>\d+)-[A-Z]$")


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording with its label."""

    path: Path
    label: str
    origin: str
    """Data set"""
    split: Split


def read_clips(data: Path) -> list[Clip]:
    """Every clip that `data/labels.csv` names; fold 4 of ESC-10 is the test set.

    The folds of ESC-10 share no source recording, and `check_disjoint` makes sure of it. Raises ConfigError where
    the file is missing, or a source is on both sides.
    """
    if not (data / LABELS).is_file():
        raise ConfigError(f"{data} has no {LABELS}; docs/training.md says what the folder needs")
    with (data / LABELS).open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    clips = [Clip(data / "audio" / r["path"], r["label"], r["set"], _split(r["set"], r["path"])) for r in rows]
    check_disjoint(clips)
    return clips


def source_of(clip: Clip) -> str:
    """The recording a clip was cut from: freesound's id in ESC-10 file names, else the file itself."""
    match = ESC_NAME.match(clip.path.stem)
    return f"freesound-{match['source']}" if match else str(clip.path)


def check_disjoint(clips: list[Clip]) -> None:
    """Raise ConfigError where clips of one source are in both splits."""
    sides: dict[str, Split] = {}
    for clip in clips:
        if sides.setdefault(source_of(clip), clip.split) != clip.split:
            raise ConfigError(f"{clip.path}: its source is in the training set and in the test set; move one of them")


def read_captions(data: Path, parts: tuple[str, ...] = ("train", "val", "test")) -> Iterator[str]:
    """AudioCaps captions, one line each, without surrounding space or a final full stop."""
    for part in parts:
        with (data / AUDIOCAPS.format(part)).open(newline="", encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                yield " ".join(row["caption"].split()).rstrip(".")


def _split(origin: str, path: str) -> Split:
    match = ESC_NAME.match(Path(path).stem) if origin == "esc10" else None
    return "test" if match and match["fold"] == HELD_OUT_FOLD else "train"

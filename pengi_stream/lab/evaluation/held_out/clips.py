"""The clips that a model is measured on: a CSV file, a folder of folders, or the recipe's own held-out clips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pengi_stream.audio.decode import SUFFIXES, load_audio
from pengi_stream.errors import ConfigError
from pengi_stream.lab.clips import read_clips
from pengi_stream.lab.evaluation.rows import read_rows
from pengi_stream.lab.evaluation.windows import as_window
from pengi_stream.protocols import AudioLanguageModel
from pengi_stream.sounds.right_words import Dictionary, RightWords, words_of
from pengi_stream.types import Window


@dataclass(frozen=True, slots=True)
class HeldOutClip:
    """A recording that the model was not trained on, and what is right about it."""

    path: Path
    label: str
    right: RightWords


def read_held_out(clips: Path, audio: Path | None = None) -> list[HeldOutClip]:
    """The clips of a CSV file with the columns path, label and, if wanted, words (right ones, with spaces between);
    paths are relative to `audio`, else to the file. Or those of a folder that has a folder of audio for each label.

    Raises ConfigError, which names the line or the file that is wrong.
    """
    if clips.is_dir():
        return _of_folder(clips)
    dictionary = Dictionary()
    folder = audio or clips.parent
    found = []
    for number, row in enumerate(read_rows(clips, ("path", "label")), start=2):
        path = folder / row["path"]
        if not path.is_file():
            raise ConfigError(f"{clips}, line {number}: there is no file {path}; paths are relative to {folder}")
        words = (row.get("words") or "").split()
        found.append(HeldOutClip(path, row["label"], words_of(words) if words else dictionary.look_up(row["label"])))
    return found


def held_out_of_recipe(data: Path, left_out: Sequence[str] = ()) -> list[HeldOutClip]:
    """The test clips of the recipe's data; or all clips of the labels in `left_out`, for a model that was trained
    without them. Raises ConfigError where there is no such label."""
    clips = read_clips(data)
    for label in left_out:
        if all(clip.label != label for clip in clips):
            raise ConfigError(f"{data / 'labels.csv'} has no clip with the label {label!r}")
    dictionary = Dictionary()
    return [
        HeldOutClip(clip.path, clip.label, dictionary.look_up(clip.label))
        for clip in clips
        if (clip.label in left_out if left_out else clip.split == "test")
    ]


def windows_of(clips: Sequence[HeldOutClip], model: AudioLanguageModel) -> Iterator[Window]:
    """The first window of each clip; a short clip is repeated, as the tail `repeat` does. Raises AudioError."""
    for clip in clips:
        yield as_window(load_audio(clip.path, model.sample_rate), str(clip.path), model)


def _of_folder(folder: Path) -> list[HeldOutClip]:
    dictionary = Dictionary()
    paths = sorted(path for path in folder.glob("*/*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise ConfigError(f"{folder}: found no audio, expected a folder of audio files for each label, or a CSV file")
    labels = {path: path.parent.name.replace("_", " ").lower() for path in paths}
    return [HeldOutClip(path, label, dictionary.look_up(label)) for path, label in labels.items()]

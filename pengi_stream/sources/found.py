"""Which files are meant by paths, globs and folders."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from pengi_stream.audio.decode import FOREIGN_SUFFIXES, SUFFIXES
from pengi_stream.sounds.demo import or_demo

APPLE_DOUBLE = "._"  # what macOS keeps beside a file on foreign disks, under its name


@dataclass(frozen=True, slots=True)
class Found:
    """What was found."""

    paths: list[str]
    """In order, each once; also what cannot be read, so that it is reported"""
    left_out: tuple[str, ...]
    """Files in folders that are no sound, by their names"""

    @property
    def kinds_left_out(self) -> list[str]:
        """Suffixes of those, in order."""
        return sorted({Path(path).suffix.lower() or "no suffix" for path in self.left_out})


def find_files(given: Sequence[str]) -> Found:
    """The files that paths, globs, folders and `demo` name; what names none stays, to be reported."""
    paths: list[str] = []
    left_out: list[str] = []
    for path in (str(PurePath(or_demo(path))) for path in given):  # ./d/a.wav is d/a.wav, and has its stream and ids
        if os.path.isdir(path):  # noqa: PTH112  Path.is_dir raises where a folder above may not be looked into
            inside, other = _inside(path)
            paths += inside or [path]
            left_out += other
        elif os.path.lexists(path):
            paths.append(path)
        else:
            matches = glob.glob(path, recursive=True)  # noqa: PTH207  Path.glob takes no absolute pattern
            paths += sorted(filter(os.path.isfile, matches)) or [path]
    return Found(list(dict.fromkeys(paths)), tuple(left_out))


def _inside(folder: str) -> tuple[list[str], list[str]]:
    """Files of sound below `folder`, with the folders that cannot be looked into; and all other files."""
    denied: list[OSError] = []
    below = [
        Path(place, name)
        for place, _, names in os.walk(folder, onerror=denied.append)
        for name in names
        if not name.startswith(APPLE_DOUBLE)
    ]
    sound = [str(path) for path in below if path.suffix.lower() in SUFFIXES + FOREIGN_SUFFIXES]
    other = [str(path) for path in below if path.suffix.lower() not in SUFFIXES + FOREIGN_SUFFIXES]
    return sorted(sound + [str(error.filename) for error in denied]), sorted(other)

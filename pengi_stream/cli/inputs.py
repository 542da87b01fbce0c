"""What the files are that a command is to hear, known before a model is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pengi_stream.audio.decode import duration_s
from pengi_stream.errors import AudioError
from pengi_stream.sounds.demo import stream_of
from pengi_stream.sources.found import Found


@dataclass(frozen=True, slots=True)
class Inputs:
    """Files, looked at."""

    lengths_s: dict[str, float]
    """Of those that can be opened, as their headers say; 0: they do not"""
    faults: dict[str, str]
    """Those that cannot, and why"""
    others: str
    """What lay in folders and is no sound, in words"""

    def __len__(self) -> int:
        return len(self.lengths_s) + len(self.faults)

    def __str__(self) -> str:
        return f"{len(self)} file{'' if len(self) == 1 else 's'}{self.others}"


def look_at(found: Found) -> Inputs:
    """Open each file and close it. Raises AudioError where none can be heard."""
    lengths_s, faults = {}, {}
    for path in found.paths:
        try:
            lengths_s[stream_of(path)] = duration_s(Path(path))
        except AudioError as error:
            faults[path] = str(error)
    if not lengths_s:
        more = f"; nor can {len(faults) - 1} other file(s) be heard" if len(faults) > 1 else ""
        raise AudioError(f"{next(iter(faults.values()))}{more}")
    left_out = len(found.left_out)
    others = f" ({left_out} left out: {', '.join(found.kinds_left_out)})" if left_out else ""
    return Inputs(lengths_s, faults, others)

"""What end-to-end tests share."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

COMMAND = [sys.executable, "-m", "pengi_stream"]


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str

    def events(self, kind: str = "pengi_stream.text") -> list[dict[str, object]]:
        """The events of a kind that it wrote to stdout as JSONL."""
        lines = [json.loads(line) for line in self.out.splitlines() if line.startswith("{")]
        return [line for line in lines if line["type"] == kind]


Run = Callable[..., Ended]


def environment() -> dict[str, str]:
    """The user's, with one thread, and no variable that changes a pipeline."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PENGI_STREAM_")}
    return {**kept, "OMP_NUM_THREADS": "2", "COLUMNS": "200"}


def tone(seconds: float, rate: int = 16_000, hertz: float = 440.0) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """A tone that glides upwards, so that every window differs."""
    time = np.arange(round(seconds * rate)) / rate
    return 0.3 * np.sin(2 * np.pi * (hertz * time + 40 * time * time))

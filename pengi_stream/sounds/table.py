"""The package's tables."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path


def rows_of(name: str) -> list[Mapping[str, str]]:
    """The rows of a CSV file beside this module."""
    with (Path(__file__).parent / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))

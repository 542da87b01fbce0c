"""What all benchmarks share in telling: tables on the screen, JSON and a picture in files."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from pengi_stream.errors import ConfigError, PengiStreamError
from pengi_stream.lab.bench.machine import Machine
from pengi_stream.lab.bench.paired import Percentiles, Spread

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from matplotlib.figure import Figure


def number(found: float | None) -> str:
    """Three digits, or a dash."""
    if found is None:
        return "-"
    return f"{found:,.0f}" if abs(found) >= 100 else f"{found:.3g}"


def spread(found: Spread | None, scale: float = 1) -> str:
    """`median (least..most)`, each `scale` times as large, or a dash."""
    if found is None:
        return "-"
    return f"{number(scale * found.median)} ({number(scale * found.least)}..{number(scale * found.most)})"


def milliseconds(found: Percentiles) -> str:
    """`p50 / p95 / p99`."""
    return " / ".join(number(1000 * seconds) for seconds in (found.p50_s, found.p95_s, found.p99_s))


def sizes(histogram: dict[str, int]) -> str:
    """`16: 40, 8: 2`, the most frequent first."""
    return ", ".join(f"{size}: {count}" for size, count in sorted(histogram.items(), key=lambda item: -item[1]))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """All but the first column are figures."""
    made = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE)
    for number, column in enumerate(columns):
        made.add_column(column, justify="right" if number else "left")
    for row in rows:
        made.add_row(*row)
    return made


def tell(tables: Sequence[Table], *notes: str) -> None:
    """Print to stdout."""
    console = Console()
    for each in tables:
        console.print(each)
    for note in notes:
        console.print(note, highlight=False)


def write_json(path: Path, benchmark: str, settings: dict[str, Any], figures: DataclassInstance) -> None:
    """With the command that was given. Raises PengiStreamError where the file cannot be written."""
    command = shlex.join(["pengi-stream", *sys.argv[1:]])
    found = {"benchmark": benchmark, "command": command, "settings": settings, **asdict(figures)}
    try:
        path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise PengiStreamError(f"{path}: cannot be written: {error.strerror}") from error


def write_plot(path: Path, draw: Callable[[Figure], None]) -> None:
    """A PNG. Raises ConfigError where matplotlib is not installed, PengiStreamError where it cannot be written."""
    figure = new_figure()
    draw(figure)
    try:
        figure.savefig(path, dpi=80, format="png")
    except OSError as error:
        raise PengiStreamError(f"{path}: cannot be written: {error.strerror}") from error


def new_figure() -> Figure:
    """An empty picture; asked for before a long measurement, it tells in time what is missing. Raises ConfigError."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("--plot needs matplotlib; pip install 'pengi-stream[bench]'") from error
    return Figure(figsize=(9, 4), layout="constrained")


def error_bars(found: Sequence[Spread]) -> tuple[list[float], list[float]]:
    """How far below and above the medians."""
    return [each.median - each.least for each in found], [each.most - each.median for each in found]


def machine_note(machine: Machine, memory_mb: float) -> str:
    """One line."""
    where = f"{machine.cpu}, {machine.cores} core(s), {machine.threads} thread(s), torch {machine.torch}"
    return f"{where}, {machine.date}; peak memory {memory_mb:,.0f} MB"

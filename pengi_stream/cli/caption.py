"""`pengi-stream caption`"""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from pengi_stream.audio.decode import duration_s
from pengi_stream.cli.common import HopS, Labels, Model, Prompts, questions, quick_config, run_pipeline
from pengi_stream.cli.progress import progress_sinks
from pengi_stream.errors import AudioError
from pengi_stream.sources.file import find_files


class Format(StrEnum):
    """How captions are written to a file or a program."""

    jsonl = "jsonl"
    csv = "csv"


def caption(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files, folders or globs.")],
    prompt: Prompts = None,
    labels: Labels = None,
    hop_s: HopS = None,
    model: Model = "mini",
    style: Annotated[
        Format | None, typer.Option("--format", help="Default: lines to read; with --output, by its suffix.")
    ] = None,
    output: Annotated[str, typer.Option("--output", help="A file, which is replaced, or - for stdout.")] = "-",
) -> None:
    """Write down what can be heard in files."""
    source = {"type": "file", "path": paths}
    config = quick_config("caption", model, source, _sink(style, output), questions(prompt, labels), hop_s)
    if output != "-" and Path(output).is_file():
        Path(output).unlink()
    with progress_sinks(_total_s(paths)) as extra_sinks:
        run_pipeline(config, extra_sinks)


def _total_s(paths: list[str]) -> float:
    """Seconds of audio in all files that can be read."""
    total_s = 0.0
    for path in find_files(paths):
        with suppress(AudioError):  # the run reports it
            total_s += duration_s(Path(path))
    return total_s


def _sink(style: Format | None, output: str) -> dict[str, Any]:
    if style is None and output == "-":
        return {"type": "console"}
    if style is None:
        style = Format.csv if output.endswith(".csv") else Format.jsonl
    return {"type": style.value, "path": output}

"""`pengi-stream caption`"""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pengi_stream.audio.decode import duration_s
from pengi_stream.cli.common import (
    DEFAULT_MIN_DBFS,
    HopS,
    Labels,
    MinDbfs,
    Model,
    Prompts,
    Quiet,
    questions,
    quick_config,
    run_pipeline,
    summed_up,
)
from pengi_stream.cli.heard import Heard
from pengi_stream.cli.output import STDOUT, results_at
from pengi_stream.cli.progress import progress_sinks
from pengi_stream.errors import AudioError, ConfigError
from pengi_stream.sources.found import find_files
from pengi_stream.sources.times import EPOCH


class Format(StrEnum):
    """How captions are written to a file or a program."""

    jsonl = "jsonl"
    csv = "csv"


CONSOLE = "console"
SUFFIXES = {".jsonl": Format.jsonl, ".ndjson": Format.jsonl, ".csv": Format.csv}


def caption(  # noqa: PLR0913  the options of a command
    *,
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files, folders or globs.")],
    prompt: Prompts = None,
    labels: Labels = None,
    hop_s: HopS = None,
    model: Model = "mini",
    style: Annotated[
        Format | None, typer.Option("--format", help="Default: lines to read; with --output, by its suffix.")
    ] = None,
    output: Annotated[str, typer.Option("--output", help="A .jsonl or .csv file; -: stdout.")] = "-",
    starts_at: Annotated[
        str, typer.Option("--starts-at", help="now, mtime, metadata, a time, or a pattern of names: %Y%m%d_%H%M%S.")
    ] = EPOCH,
    zone: Annotated[str | None, typer.Option("--zone", help="Of times in names and metadata: Europe/Berlin.")] = None,
    min_dbfs: MinDbfs = DEFAULT_MIN_DBFS,
    quiet: Quiet = False,
    force: Annotated[bool, typer.Option("--force", help="Replace what --output is, whatever it holds.")] = False,
) -> None:
    """Write down what can be heard in files."""
    kind = _kind(style, output)
    inputs = find_files(paths).paths
    with results_at(output, kind, inputs, force=force) as place:
        sink = {"type": kind} if kind == CONSOLE else {"type": kind, "path": place}
        source = {"type": "file", "path": paths, "starts_at": starts_at, "zone": zone}
        asked = questions(prompt, labels)
        config = quick_config("caption", model, source, sink, asked, hop_s=hop_s, min_dbfs=min_dbfs)
        heard = Heard()
        with summed_up(quiet=quiet, files=len(inputs), heard=heard) as tell:
            with progress_sinks(_total_s(inputs)) as extra_sinks:
                ran = run_pipeline(config, [*extra_sinks, *heard.sinks])
            tell(ran)


def _total_s(files: list[str]) -> float:
    """Seconds of audio in all files that can be read."""
    total_s = 0.0
    for path in files:
        with suppress(AudioError):  # the run reports it
            total_s += duration_s(Path(path))
    return total_s


def _kind(style: Format | None, output: str) -> str:
    """The type of the sink. Raises ConfigError where nothing tells it."""
    if style is not None:
        return style.value
    if output == STDOUT:
        return CONSOLE
    suffix = Path(output).suffix.lower()
    if suffix in SUFFIXES:
        return SUFFIXES[suffix].value
    raise ConfigError(f"--output {output}: expected a name that ends with {', '.join(SUFFIXES)}; or say --format")

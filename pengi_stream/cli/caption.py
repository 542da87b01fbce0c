"""`pengi-stream caption`"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import structlog
import typer

from pengi_stream.cli.common import (
    DEFAULT_MIN_DBFS,
    HopS,
    Labels,
    MinDbfs,
    Model,
    Prompts,
    Quiet,
    describe,
    model_name,
    questions,
    quick_config,
    run_pipeline,
    summed_up,
)
from pengi_stream.cli.grouped import GroupedConsoleConfig
from pengi_stream.cli.heard import Heard
from pengi_stream.cli.inputs import Inputs, look_at
from pengi_stream.cli.output import STDOUT, results_at
from pengi_stream.cli.progress import progress_sinks
from pengi_stream.cli.ran import Ran, RunError
from pengi_stream.config import PipelineConfig
from pengi_stream.errors import ConfigError
from pengi_stream.logging import configure_logging
from pengi_stream.sources.found import find_files
from pengi_stream.sources.times import EPOCH


class Format(StrEnum):
    """How captions are written to a file or a program."""

    jsonl = "jsonl"
    csv = "csv"


CONSOLE = "console"
MOST_TOLD = 10  # faults in one line
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
    if not structlog.is_configured():
        configure_logging(without={"bad_record"})  # told below
    kind = _kind(style, output)
    found = find_files(paths)
    with results_at(output, kind, found.paths, force=force) as place:
        source = {"type": "file", "path": paths, "starts_at": starts_at, "zone": zone}
        sink = {"type": kind} if kind == CONSOLE else {"type": kind, "path": place}
        asked = questions(prompt, labels)
        config = quick_config("caption", model, source, sink, asked, hop_s=hop_s, min_dbfs=min_dbfs)
        inputs = look_at(found)
        for fault in inputs.faults.values():
            typer.echo(f"pengi-stream: {fault}", err=True)
        if kind == CONSOLE:
            grouped = GroupedConsoleConfig(type="console", lengths_s=inputs.lengths_s)
            config = config.model_copy(update={"sinks": (grouped,)})
        with summed_up(quiet=quiet, files=str(inputs), heard=(heard := Heard())) as tell:
            tell(_hear(config, inputs, heard))


def _hear(config: PipelineConfig, inputs: Inputs, heard: Heard) -> Ran:
    """Raises RunError that names what was not told yet."""
    try:
        with progress_sinks(sum(inputs.lengths_s.values()), model_name(config)) as extra_sinks:
            return run_pipeline(config, [*extra_sinks, *heard.sinks], has_bar=True)
    except RunError as error:
        faults = [fault for fault in heard.faults if fault not in inputs.faults.values()]
        bad = "; ".join([*faults[:MOST_TOLD], f"{len(heard.faults)} of {len(inputs)} file(s) not heard whole"])
        raise RunError(describe(error.ran, bad), error.ran) from error


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

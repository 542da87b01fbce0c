"""`pengi-stream evaluate clips`: see docs/training.md."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pengi_stream.errors import ConfigError
from pengi_stream.lab.evaluation.held_out.clips import HeldOutClip, held_out_of_recipe, read_held_out
from pengi_stream.lab.evaluation.held_out.report import measure
from pengi_stream.models.pengi import PengiModelConfig
from pengi_stream.models.pengi.checkpoint import load_checkpoint
from pengi_stream.protocols import Context

Clips = Annotated[Path | None, typer.Option(help="CSV with path,label[,words], or a folder with a folder a label.")]
Audio = Annotated[Path | None, typer.Option(help="What the CSV's paths are relative to; else the CSV's folder.")]
Data = Annotated[Path | None, typer.Option(help="The recipe's data, of which the held-out clips are taken.")]
LeftOut = Annotated[str, typer.Option(help="Of --data: all clips of these labels, with commas between.")]


def evaluate_clips(
    clips: Clips = None,
    audio: Audio = None,
    data: Data = None,
    left_out: LeftOut = "",
    checkpoint: str = "mini",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure a checkpoint on clips that were held out, through the path that users run."""
    held_out = choose_clips(clips, audio, data, left_out)
    model = PengiModelConfig(type="pengi", checkpoint=checkpoint).build(Context.alone("model"))
    report = measure(model, load_checkpoint(checkpoint).network, held_out)
    if as_json:
        typer.echo(report.as_json())
    else:
        report.print(Console())


def choose_clips(clips: Path | None, audio: Path | None, data: Path | None, left_out: str = "") -> list[HeldOutClip]:
    """Those of `--clips` or of `--data`. Raises ConfigError."""
    if (clips is None) == (data is None):
        raise ConfigError("expected either --clips (a CSV file or a folder) or --data (the recipe's folder)")
    if clips is not None:
        return read_held_out(clips, audio)
    assert data is not None
    return held_out_of_recipe(data, [label.strip() for label in left_out.split(",") if label.strip()])

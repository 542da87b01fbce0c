"""The command `calibrate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
import typer

from pengi_stream.lab.evaluation.held_out.answers import SURE
from pengi_stream.lab.evaluation.held_out.command import Audio, Clips, Data, choose_clips
from pengi_stream.lab.evaluation.proportion import Proportion
from pengi_stream.lab.training.calibration.fit import Sample, collect, cross_fitted, fit
from pengi_stream.lab.training.calibration.picture import draw, proportions
from pengi_stream.models.pengi.checkpoint import load_checkpoint, write_checksums
from pengi_stream.models.pengi.config import ConfidenceConfig, PengiConfig
from pengi_stream.models.pengi.folder import CONFIG_FILE, checkpoint_folder
from pengi_stream.models.pengi.model import PengiModel


def calibrate(
    checkpoint: Annotated[str, typer.Argument(help="Folder of the checkpoint whose config.json gets the table.")],
    clips: Clips = None,
    audio: Audio = None,
    data: Data = None,
    picture: Annotated[Path | None, typer.Option(help="PNG of the reliability curve.")] = None,
) -> None:
    """Fit a checkpoint's confidence on held-out clips, and write the table into its config.json."""
    folder = checkpoint_folder(checkpoint)
    held_out = choose_clips(clips, audio, data)
    loaded = load_checkpoint(str(folder))
    samples = collect(PengiModel(loaded, torch.device("cpu"), torch.float32), held_out)
    checked = cross_fitted(samples)
    typer.echo("\n".join(_lines(checked)))
    if picture is not None:
        draw(checked, picture)
    write_table(folder, fit(samples))


def write_table(folder: Path, rows: tuple[ConfidenceConfig, ...]) -> None:
    """Put `rows` into the checkpoint's config.json, and its new checksum beside it."""
    path = folder / CONFIG_FILE
    config = PengiConfig.model_validate_json(path.read_bytes()).model_copy(update={"confidence": rows})
    path.write_text(config.model_dump_json(indent=2, exclude_none=True) + "\n")
    write_checksums(folder)


def _lines(samples: Sequence[Sample]) -> list[str]:
    """Every clip's confidence from a table that was fitted on others."""
    lines = []
    for kind in [*dict.fromkeys(s.prompts for s in samples), None]:
        some = [s for s in samples if kind in (None, s.prompts)]
        sure = [s for s in some if s.confidence > SURE]
        figure = Proportion(sum(s.right for s in sure), len(sure))
        lines.append(f"{kind or 'all'}: {len(some)} texts, right with confidence above {SURE}: {figure}")
    lines += [f"  {low:.1f} to {high:.1f}: {figure}" for low, high, figure in proportions(samples)]
    return lines

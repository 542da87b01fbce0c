"""`pengi-stream evaluate`."""

from __future__ import annotations

import typer

from pengi_stream.lab.evaluation.dataset.command import evaluate_dataset
from pengi_stream.lab.evaluation.held_out.command import evaluate_clips

app = typer.Typer(
    help="Measure how good a model is.", no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False
)
app.command("dataset")(evaluate_dataset)
app.command("clips")(evaluate_clips)

"""The lab's commands: what they need is loaded when one of them is asked for."""

from __future__ import annotations

from typing import Any

import typer

PASS_ALL: dict[str, Any] = {
    "allow_extra_args": True,
    "allow_interspersed_args": False,
    "ignore_unknown_options": True,
    "help_option_names": [],
}
"""A command's settings: it gets its arguments as they are, `--help` too"""


def train(context: typer.Context) -> None:
    """Make `mini` by its recipe, teach a checkpoint the sounds of a site, or calibrate it."""
    from pengi_stream.lab.training.commands import app

    app(context.args, prog_name=context.command_path)


def evaluate(context: typer.Context) -> None:
    """Measure how good a model is."""
    from pengi_stream.lab.evaluation.commands import app

    app(context.args, prog_name=context.command_path)


def bench(context: typer.Context) -> None:
    """Measure how fast models and pipelines are on this machine."""
    from pengi_stream.lab.bench.commands import app

    app(context.args, prog_name=context.command_path)

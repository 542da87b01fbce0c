"""The lab's commands: what they need is loaded when one of them is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer

from pengi_stream.errors import ConfigError

PASS_ALL: dict[str, Any] = {
    "allow_extra_args": True,
    "allow_interspersed_args": False,
    "ignore_unknown_options": True,
    "help_option_names": [],
}
"""A command's settings: it gets its arguments as they are, `--help` too"""


def train(context: typer.Context) -> None:
    """Make `mini` by its recipe, teach a checkpoint the sounds of a site, or calibrate it."""
    _hand_over(context, "training", extra="train")


def evaluate(context: typer.Context) -> None:
    """Measure how good a model is, on a data set of your own or on clips that it was not trained on."""
    _hand_over(context, "evaluation", extra="eval")


def bench(context: typer.Context) -> None:
    """Measure how fast models and pipelines are on this machine."""
    _hand_over(context, "bench", extra="bench")


def _hand_over(context: typer.Context, room: str, extra: str) -> None:
    """Go on with the commands of a room of the lab. Raises ConfigError where what `extra` brings is missing."""
    try:
        commands = import_module(f"pengi_stream.lab.{room}.commands")
    except ModuleNotFoundError as error:
        raise ConfigError(f'{error.name} is not installed; pip install "pengi-stream[{extra}]"') from error
    commands.app(context.args, prog_name=context.command_path)

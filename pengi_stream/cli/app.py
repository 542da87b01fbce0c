"""The commands under one name, and how errors reach the user."""

from __future__ import annotations

from typing import Annotated

import typer
from typer.core import TyperGroup

from pengi_stream.cli import caption, check, devices, listen, plugins, run, schema
from pengi_stream.errors import ConfigError, PengiStreamError

FAILED = 1
WRONG_USAGE = 2


class ReportingGroup(TyperGroup):
    """Turns errors into one line on stderr and an exit status; `--debug` shows the traceback instead."""

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]
        try:
            return super().invoke(ctx)
        except PengiStreamError as error:
            if ctx.params["debug"]:
                raise
            typer.echo(f"pengi-stream: {error}", err=True)
            return ctx.exit(WRONG_USAGE if isinstance(error, ConfigError) else FAILED)


app = typer.Typer(
    name="pengi-stream",
    cls=ReportingGroup,
    help="Listens to microphones, files and feeds, and writes down what it hears.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def _options(debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False) -> None:
    pass


app.command("run")(run.run)
app.command("caption")(caption.caption)
app.command("listen")(listen.listen)
app.command("check")(check.check)
app.command("devices")(devices.devices)
app.command("plugins")(plugins.plugins)
app.command("schema")(schema.schema)


def main() -> None:
    """Entry point of the command line."""
    app()

"""The commands under one name, and how errors reach the user."""

from __future__ import annotations

import errno
import sys
from typing import Annotated

import typer

import pengi_stream
from pengi_stream.cli import (
    caption,
    check,
    convert,
    devices,
    dlq,
    download,
    ingest,
    lab,
    listen,
    plugins,
    run,
    schema,
    worker,
)
from pengi_stream.cli.ran import FAILED, RunError
from pengi_stream.errors import ConfigError, PengiStreamError
from pengi_stream.logging import configure_logging

WRONG_USAGE = 2
UNWRITABLE = (errno.EBADF, errno.ENOSPC, errno.EIO)


SWITCH_S = 1e-4  # the model's thread leaves the interpreter at each operation; it is not to wait 5 ms to have it back

app = typer.Typer(
    name="pengi-stream",
    help="Listens to microphones, files and feeds, and writes down what it hears.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pengi-stream {pengi_stream.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks, and log all.")] = False,
    version: Annotated[  # noqa: ARG001  its callback tells it
        bool, typer.Option("--version", help="Tell the version.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    if debug:
        configure_logging("debug")


app.command("run")(run.run)
app.command("bench", context_settings=lab.PASS_ALL)(lab.bench)
app.command("caption")(caption.caption)
app.command("ingest")(ingest.ingest)
app.command("listen")(listen.listen)
app.command("check")(check.check)
app.command("convert")(convert.convert)
app.command("devices")(devices.devices)
app.add_typer(dlq.dlq)
app.command("download")(download.download)
app.command("evaluate", context_settings=lab.PASS_ALL)(lab.evaluate)
app.command("plugins")(plugins.plugins)
app.command("schema")(schema.schema)
app.command("train", context_settings=lab.PASS_ALL)(lab.train)
app.command("worker")(worker.worker)


def run_command() -> None:
    """Do what the command line says. Errors are one line on stderr; `--debug` shows the traceback instead."""
    sys.setswitchinterval(SWITCH_S)
    try:
        app()
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        typer.echo(f"pengi-stream: {_message(error)}", err=True)
        sys.exit(_status(error))


def _message(error: Exception) -> str:
    if isinstance(error, PengiStreamError):
        return str(error)
    if isinstance(error, OSError) and error.errno in UNWRITABLE and error.filename is None:
        return f"stdout: cannot be written: {error.strerror}"
    return f"internal error: {error!r}; --debug shows where"


def _status(error: Exception) -> int:
    if isinstance(error, RunError):
        return error.ran.status
    return WRONG_USAGE if isinstance(error, ConfigError) else FAILED

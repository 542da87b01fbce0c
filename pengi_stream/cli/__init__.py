"""The command `pengi-stream`: one file a command."""

from __future__ import annotations

from pengi_stream.cli.process import prepare

__all__ = ["main"]


def main() -> None:
    """Entry point of the command line."""
    prepare()
    from pengi_stream.cli.app import run_command  # half a second, in which Ctrl-C may come

    run_command()

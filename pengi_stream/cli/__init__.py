"""The command `pengi-stream`: one file a command."""

from pengi_stream.cli.app import main

__all__ = ["main"]

"""`pengi-stream schema`"""

from __future__ import annotations

import json

import typer

from pengi_stream.config import json_schema


def schema() -> None:
    """Print the JSON schema of pipeline files, for editors and linters."""
    typer.echo(json.dumps(json_schema(), indent=2))

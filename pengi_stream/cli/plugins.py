"""`pengi-stream plugins`"""

from __future__ import annotations

import typer

from pengi_stream.errors import ConfigError
from pengi_stream.plugins import KINDS, config_class, registered


def plugins() -> None:
    """List the sources, sinks and models that are installed."""
    for kind in KINDS:
        for name, entry in sorted(registered(kind).items()):
            origin = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown package"
            typer.echo(f"{kind:<14}{name:<14}{_summary(kind, name)}  [{origin}]")


def _summary(kind: str, name: str) -> str:
    try:
        documentation = config_class(kind, name).__doc__ or ""  # type: ignore[arg-type]
    except ConfigError as error:
        return str(error)
    return documentation.strip().partition("\n")[0]

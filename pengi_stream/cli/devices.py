"""`pengi-stream devices`"""

from __future__ import annotations

import typer

from pengi_stream.sources.microphone import list_devices


def devices() -> None:
    """List the microphones."""
    found = [device for device in list_devices() if device.max_input_channels > 0]
    if not found:
        typer.echo("no microphone found", err=True)
        raise typer.Exit(1)
    for device in found:
        mark = "*" if device.is_default else " "
        typer.echo(
            f"{mark} {device.index:>3}  {device.name}  ({device.host_api}, {device.max_input_channels} channels, "
            f"{device.default_sample_rate} Hz)"
        )

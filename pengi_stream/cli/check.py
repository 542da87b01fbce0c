"""`pengi-stream check`"""

from __future__ import annotations

import typer

from pengi_stream.cli.common import Overrides, PipelineFile
from pengi_stream.config import load_config
from pengi_stream.runtime.build import load_model, window_grid, window_spec


def check(pipeline: PipelineFile, overrides: Overrides = None) -> None:
    """Load a pipeline file and its model, and say what it would do; runs nothing."""
    config = load_config(pipeline, overrides=overrides or ())
    model = None if config.sends_windows else load_model(config)
    spec = window_spec(config.window, model or window_grid(config))
    rate = spec.sample_rate
    typer.echo(f"pipeline  {config.name}")
    typer.echo(f"model     {config.model.type}, {model.identity if model else 'asked by workers'}")
    typer.echo(f"windows   {spec.window_samples / rate:.3f} s every {spec.hop_samples / rate:.3f} s at {rate} Hz")
    for prompt in config.prompts if model else ():
        built = prompt.build()
        among = f", among {len(built.labels)} labels" if built.labels else ""
        typer.echo(f"prompt    {built.id}: {built.text}{among}")
    for source in config.sources:
        typer.echo(f"source    {source!r}")
    for sink in config.sinks:
        typer.echo(f"sink      {sink!r}")
    if config.dead_letters is not None:
        typer.echo(f"dead      {config.dead_letters!r}")
    if config.server is not None:
        typer.echo(f"server    {config.server.host}, port {config.server.port}")
    typer.echo("ok")

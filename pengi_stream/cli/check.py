"""`pengi-stream check`"""

from __future__ import annotations

import typer

from pengi_stream.cli.common import Overrides, PipelineFile, log_as
from pengi_stream.cli.findings import files, warnings
from pengi_stream.config import load_config
from pengi_stream.runtime.build import load_model, window_grid, window_spec
from pengi_stream.sources.file import FileSourceConfig


def check(pipeline: PipelineFile, overrides: Overrides = None) -> None:
    """Load a pipeline file and its model, and say what it would do; runs nothing."""
    config = load_config(pipeline, overrides=overrides or ())
    log_as(config)
    model = None if config.sends_windows else load_model(config)
    spec = window_spec(config.window, model or window_grid(config))
    rate = spec.sample_rate
    typer.echo(f"pipeline  {config.name}")
    typer.echo(f"model     {config.model.type}, {model.identity if model else 'asked by workers'}")
    typer.echo(f"windows   {spec.window_samples / rate:.3f} s every {spec.hop_samples / rate:.3f} s at {rate} Hz")
    for prompt in config.prompts if model else ():
        built = prompt.build()
        among = f", among {len(built.labels)} labels" if built.labels else ""
        least = f", from a confidence of {built.threshold:g} on" if built.threshold else ""
        typer.echo(f"prompt    {built.id}: {built.text}{among}{least}")
    for source in config.sources:
        typer.echo(f"source    {source!r}")
        for line in files(source) if isinstance(source, FileSourceConfig) else ():
            typer.echo(f"          {line}")
    for sink in config.sinks:
        typer.echo(f"sink      {sink!r}")
    if config.dead_letters is not None:
        typer.echo(f"dead      {config.dead_letters!r}")
    if config.server is not None:
        typer.echo(f"server    {config.server.host}, port {config.server.port}")
    for warning in warnings(config):
        typer.echo(f"warning   {warning}")
    typer.echo("ok")

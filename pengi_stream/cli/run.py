"""`pengi-stream run`"""

from __future__ import annotations

from pengi_stream.cli.common import Overrides, PipelineFile, Quiet, run_pipeline, summed_up
from pengi_stream.config import load_config


def run(pipeline: PipelineFile, overrides: Overrides = None, quiet: Quiet = False) -> None:
    """Run a pipeline until its sources end, or until SIGTERM or Ctrl-C."""
    with summed_up(quiet=quiet) as tell:
        tell(run_pipeline(load_config(pipeline, overrides=overrides or ())))

"""`pengi-stream run`"""

from __future__ import annotations

from pengi_stream.cli.common import Overrides, PipelineFile, run_pipeline
from pengi_stream.config import load_config


def run(pipeline: PipelineFile, overrides: Overrides = None) -> None:
    """Run a pipeline until its sources end, or until SIGTERM or Ctrl-C."""
    run_pipeline(load_config(pipeline, overrides=overrides or ()))

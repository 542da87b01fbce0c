"""`pengi-stream ingest`"""

from __future__ import annotations

from pengi_stream.cli.common import Overrides, PipelineFile, run_pipeline
from pengi_stream.config import load_config
from pengi_stream.errors import ConfigError


def ingest(pipeline: PipelineFile, overrides: Overrides = None) -> None:
    """Cut audio into windows and send them to workers: `run`, for a pipeline whose sinks take windows."""
    config = load_config(pipeline, overrides=overrides or ())
    if not config.sends_windows:
        types = ", ".join(sink.type for sink in config.sinks)
        raise ConfigError(f"{pipeline}: sinks are {types}; ingest sends windows, `sinks: [{{type: windows, ...}}]`")
    run_pipeline(config)

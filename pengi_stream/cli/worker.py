"""`pengi-stream worker`"""

from __future__ import annotations

from pengi_stream.cli.common import Overrides, PipelineFile, run_pipeline
from pengi_stream.config import load_config
from pengi_stream.errors import ConfigError


def worker(pipeline: PipelineFile, overrides: Overrides = None) -> None:
    """Ask the model about windows that `ingest` sent: `run`, for a pipeline whose sources give windows."""
    config = load_config(pipeline, overrides=overrides or ())
    if not config.takes_windows:
        types = ", ".join(source.type for source in config.sources)
        raise ConfigError(f"{pipeline}: sources are {types}; a worker takes `sources: [{{type: windows, ...}}]`")
    run_pipeline(config)

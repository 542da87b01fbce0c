"""The pipelines that we ship can be run."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pengi_stream.cli.app import app

PIPELINES = sorted((Path(__file__).parents[1] / "pipelines").glob("*.yaml"))


@pytest.mark.parametrize("path", PIPELINES, ids=[path.name for path in PIPELINES])
def test_each_pipeline_passes_check(path: Path) -> None:
    said = CliRunner().invoke(app, ["check", str(path)])
    assert said.exception is None, said.exception
    assert said.output.endswith("ok\n")

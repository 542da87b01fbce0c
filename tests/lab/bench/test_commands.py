"""The command around the benchmarks."""

from __future__ import annotations

import sys

import pytest
from typer.testing import CliRunner

from pengi_stream.cli.app import app
from pengi_stream.errors import ConfigError


@pytest.mark.parametrize("benchmark", ["model", "pipeline", "feeds"])
def test_help_is_there_without_torch(benchmark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # whoever imports it now fails
    said = CliRunner().invoke(app, ["bench", benchmark, "--help"], env={"COLUMNS": "120"})
    assert said.exit_code == 0
    assert "--model" in said.output


@pytest.mark.parametrize("batches", ["", "0", "1,x", "4,-1"])
def test_batches_that_are_no_sizes_are_told(batches: str) -> None:
    said = CliRunner().invoke(app, ["bench", "model", "--model", "fake", "--batches", batches])
    assert isinstance(said.exception, ConfigError)
    assert "expected sizes such as 1,4,16" in str(said.exception)


@pytest.mark.parametrize(("option", "value"), [("--dtype", "float31"), ("--device", "tpu")])
def test_a_dtype_or_device_that_is_none_is_told(option: str, value: str) -> None:
    said = CliRunner().invoke(app, ["bench", "model", option, value])
    assert isinstance(said.exception, ConfigError)
    assert str(said.exception).startswith(f"{option}: ")


def test_a_picture_without_matplotlib_is_refused_before_anything_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    said = CliRunner().invoke(app, ["bench", "model", "--model", "nowhere", "--plot", "found.png"])
    assert isinstance(said.exception, ConfigError)
    assert "pengi-stream[bench]" in str(said.exception)

"""What the package shows of itself."""

from __future__ import annotations

import subprocess
import sys

from typer.testing import CliRunner

import pengi_stream
from pengi_stream.cli.app import app


def test_public_names_are_listed_though_nothing_heavy_is_imported() -> None:
    code = "import sys, pengi_stream; print(dir(pengi_stream)); print('torch' in sys.modules, 'numpy' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for name in ("load_model", "DecodingOptions", "__version__"):
        assert repr(name) in shown
        assert getattr(pengi_stream, name)
    assert shown.endswith("False False\n")


def test_the_command_tells_its_version() -> None:
    assert CliRunner().invoke(app, ["--version"]).output == f"pengi-stream {pengi_stream.__version__}\n"

"""The code of docs/plugins.md is a package that installs nothing else, and whose tests pass."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import environment

PAGE = (Path(__file__).parents[2] / "docs/plugins.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
MODULES = {match[1]: block for block in BLOCKS if (match := re.match(r"# (\w+\.py)\n", block))}
TESTS = [block for block in BLOCKS if "def test_" in block]

PIPELINE = """
model: {type: loudness}
gate: {min_dbfs: null}
sources: [{type: geiger, duration_s: 6, name: counter}]
sinks: [{type: daily, folder: diary}]
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """What a stranger who copies the page has, installed."""
    for name, code in MODULES.items():
        (tmp_path / name).write_text(code)
    for number, code in enumerate(TESTS):
        (tmp_path / f"test_{number}.py").write_text(code)
    info = tmp_path / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    blocks = "".join(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))
    entries = blocks.replace('[project.entry-points."', "[").replace('"]', "]").replace('"', "")
    (info / "entry_points.txt").write_text(entries)
    return tmp_path


def run(package: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=package,
        env={**environment(), "PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_the_pages_tests_pass(package: Path) -> None:
    assert len(MODULES) == len(TESTS) == 3
    ended = run(package, "pytest", "-q", "-p", "no:cacheprovider", str(package))
    assert ended.returncode == 0, ended.stdout
    assert "3 passed" in ended.stdout


def test_a_pipeline_of_strangers_alone_runs(package: Path) -> None:
    (package / "mine.yaml").write_text(PIPELINE)
    ended = run(package, "pengi_stream", "run", "mine.yaml")
    assert ended.returncode == 0, ended.stderr
    [day] = (package / "diary").iterdir()
    lines = day.read_text().splitlines()
    assert len(lines) == 5  # of 2 s, every second
    assert all(" counter: it is quiet" in line or " counter: it is loud" in line for line in lines)

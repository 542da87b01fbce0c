"""The plugin of docs/plugins.md works as it stands there."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from support import COMMAND, environment

from pengi_stream.clock import Deadline
from pengi_stream.errors import SinkError
from pengi_stream.types import NS_PER_S, Event

PAGE = (Path(__file__).parents[2] / "docs/plugins.md").read_text()
DAY_NS = 86_400 * NS_PER_S


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder with the page's files, and what `pip install` would make of its `pyproject.toml`."""
    for code in blocks("python"):
        name = re.match(r"# (\w+\.py)\n", code)
        assert name is not None, f"which file is this?\n{code}"
        (tmp_path / name[1]).write_text(code)
    installed = tmp_path / "daily-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: daily\nVersion: 1\n")
    [text] = blocks("toml")
    groups = tomllib.loads(text)["project"]["entry-points"]
    lines = [f"[{group}]\n{name} = {place}\n" for group, names in groups.items() for name, place in names.items()]
    (installed / "entry_points.txt").write_text("".join(lines))
    return tmp_path


def said(package: Path, *command: str) -> str:
    """What a command says where the package is installed; fails with it."""
    path = os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH")]))
    env = {**environment(), "PYTHONPATH": path}
    ended = subprocess.run(command, cwd=package, env=env, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_test_passes(package: Path) -> None:
    assert "1 passed" in said(package, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "test_daily.py")


def test_the_plugin_is_listed_and_a_pipeline_uses_it(package: Path) -> None:
    assert "daily" in said(package, *COMMAND, "plugins")
    [sinks] = re.findall(r"`(sinks: .*?)`", PAGE)
    pipeline = {"model": {"type": "fake", "window_s": 1}, "sources": [{"type": "synthetic", "duration_s": 3}]}
    (package / "pipeline.yaml").write_text(yaml.safe_dump({**pipeline, **yaml.safe_load(sinks)}))
    said(package, *COMMAND, "run", "pipeline.yaml")
    [file] = (package / "diary").iterdir()
    lines = file.read_text().splitlines()
    assert len(lines) >= 3
    assert all(re.match(r"\d{4}-\d\d-\d\dT\S+Z synthetic-0: \w", line) for line in lines)


def test_a_file_that_cannot_be_written_for_a_while_leaves_each_text_once(package: Path) -> None:
    config = runpy.run_path(str(package / "daily.py"))["DailySinkConfig"]
    sink = config(type="daily", folder=package).build()
    events = [
        Event(str(day), "pengi_stream.text", "test", "door", day * DAY_NS, {"text": f"day {day}"}) for day in (0, 1, 2)
    ]
    in_the_way = package / "1970-01-02.txt"
    in_the_way.mkdir()
    sink.write(events[:2])
    with pytest.raises(SinkError, match=in_the_way.name):
        sink.flush(Deadline(5))
    in_the_way.rmdir()
    sink.write(events[2:])
    sink.flush(Deadline(5))
    sink.flush(Deadline(5))
    found = [path.read_text() for path in sorted(package.glob("1970-*.txt"))]
    assert [text.count("\n") for text in found] == [1, 1, 1]
    assert all(f": day {day}\n" in text for day, text in enumerate(found))

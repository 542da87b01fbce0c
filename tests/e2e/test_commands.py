"""The commands do what the README says."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Run


def test_caption_prints_lines_to_read(run: Run, sound: Callable[..., Path]) -> None:
    sound("a.wav", seconds=6)
    ended = run("caption", "a.wav", "--model", "fake", "--hop-s", "2")
    assert ended.status == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[0].startswith("0:00:00.0  a.wav  caption  ")
    assert lines[1].startswith("0:00:02.0  ")


def test_caption_writes_a_table(run: Run, sound: Callable[..., Path], tmp_path: Path) -> None:
    sound("a.wav", seconds=6)
    ended = run("caption", "a.wav", "--model", "fake", "--prompt", "x", "--prompt", "y", "--output", "out.csv")
    assert ended.status == 0, ended.err
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["prompt"] for row in rows} == {"x", "y"}
    assert rows[0]["window_start"] == "1970-01-01T00:00:00.000Z"
    assert 0 <= float(rows[0]["confidence"]) <= 1


def test_caption_chooses_among_labels(run: Run, sound: Callable[..., Path]) -> None:
    sound("a.wav")
    ended = run("caption", "a.wav", "--model", "fake", "--labels", "dog, cat", "--format", "jsonl")
    [event] = ended.events()
    data = event["data"]
    assert isinstance(data, dict)
    assert set(data["scores"]) == {"dog", "cat"}
    assert data["text"] in {"dog", "cat"}


def test_check_says_what_a_pipeline_would_do(run: Run, pipeline: Callable[..., str]) -> None:
    ended = run("check", pipeline(sources=[{"type": "synthetic"}]))
    assert ended.status == 0
    for words in ("fake", "1.000 s every 0.500 s", "generate audio caption", "ok"):
        assert words in ended.out


def test_plugins_lists_what_is_installed(run: Run) -> None:
    ended = run("plugins")
    for name in ("file", "pipe", "microphone", "synthetic", "console", "jsonl", "csv", "pengi", "fake"):
        assert f" {name} " in ended.out


def test_schema_is_json(run: Run) -> None:
    assert json.loads(run("schema").out)["properties"]["sources"]


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "pipelines").glob("*.yaml")), ids=lambda p: p.name)
def test_every_pipeline_that_ships_is_valid(run: Run, path: Path) -> None:
    ended = run("check", str(path))
    assert ended.status == 0, ended.err

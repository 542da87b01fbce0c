"""`check` tells what may be meant otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from typer.testing import CliRunner

from pengi_stream.cli.app import app


def checked(folder: Path, monkeypatch: pytest.MonkeyPatch, **parts: object) -> str:
    """What `check` says of a pipeline, or why it refuses it."""
    monkeypatch.chdir(folder)
    source = {"type": "file", "path": "a.wav"}
    whole = {"model": {"type": "fake"}, "sources": [source], "sinks": [{"type": "jsonl", "path": "-"}], **parts}
    Path("pipeline.yaml").write_text(yaml.safe_dump(whole))
    said = CliRunner().invoke(app, ["check", "pipeline.yaml"])
    return said.output + str(said.exception or "")


def test_a_missing_input_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "warning   a.wav: there is no such file" in checked(tmp_path, monkeypatch)


def test_a_threshold_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = [{"id": "caption", "task": "caption", "threshold": 0.5}]
    assert "generate audio caption, from a confidence of 0.5 on" in checked(tmp_path, monkeypatch, prompts=prompts)


@pytest.mark.parametrize(
    "parts",
    [
        {"sinks": [{"type": "jsonl", "path": "x"}, {"type": "csv", "path": "./x"}]},
        {"sinks": [{"type": "jsonl", "path": "x"}], "dead_letters": {"type": "jsonl", "path": "d/../x"}},
    ],
)
def test_one_path_for_two_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: dict[str, object]) -> None:
    assert "write to" in checked(tmp_path, monkeypatch, **parts)
    twice = {"sinks": [{"type": "jsonl", "path": "-"}, {"type": "csv", "path": "-"}]}
    assert "\nok" in checked(tmp_path, monkeypatch, **twice)


def test_a_hop_that_would_take_for_ever_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "window.hop_s: Input should be greater than or equal to 0.01" in checked(
        tmp_path, monkeypatch, window={"hop_s": 0.0001}
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org"])
def test_a_server_that_others_can_reach_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    assert f"warning   server.host is {host}" in checked(tmp_path, monkeypatch, server={"host": host})
    for local in ("127.0.0.1", "::1", "localhost"):
        assert "server.host" not in checked(tmp_path, monkeypatch, server={"host": local})


def test_check_says_when_files_begin_and_what_it_leaves_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "d").mkdir()
    for name in ("20260131_120000.wav", "20261025_023000.wav"):
        soundfile.write(tmp_path / "d" / name, np.zeros(800), 8_000)
    (tmp_path / "d/notes.txt").write_text("x")
    source = {"type": "file", "path": "d", "starts_at": "%Y%m%d_%H%M%S", "zone": "Europe/Berlin"}
    said = checked(tmp_path, monkeypatch, sources=[source])
    assert "2 file(s); 1 left out (.txt); times: %Y%m%d_%H%M%S in Europe/Berlin" in said
    assert "d/20260131_120000.wav begins at 2026-01-31T11:00:00.000Z" in said
    assert "2026-10-25 02:30:00 is shown twice" in said

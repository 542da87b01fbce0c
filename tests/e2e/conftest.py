"""Runs the command as a user does: in a process of its own, in an empty folder."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
import yaml
from support import COMMAND, Ended, Run, environment, tone


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs `pengi-stream ARGUMENTS` in `tmp_path`."""

    def command(*arguments: str, stdin: bytes | None = None, timeout_s: float = 60) -> Ended:
        ended = subprocess.run(
            [*COMMAND, *arguments],
            input=stdin if stdin is not None else b"",
            capture_output=True,
            cwd=tmp_path,
            env=environment(),
            timeout=timeout_s,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())

    return command


@pytest.fixture
def pipeline(tmp_path: Path) -> Callable[..., str]:
    """Writes a pipeline with the fake model that prints JSONL, and what is given on top."""

    def write(**parts: object) -> str:
        whole = {
            "model": {"type": "fake", "window_s": 1.0},
            "sinks": [{"type": "jsonl", "path": "-"}],
            "batch": {"max_wait_s": 0.01},
            **parts,
        }
        (tmp_path / "pipeline.yaml").write_text(yaml.safe_dump(whole))
        return "pipeline.yaml"

    return write


@pytest.fixture
def sound(tmp_path: Path) -> Callable[..., Path]:
    """Writes a sound file into `tmp_path`."""

    def write(name: str, seconds: float = 3.0, rate: int = 16_000, hertz: float = 440.0) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, tone(seconds, rate, hertz), rate, subtype="PCM_16" if path.suffix == ".wav" else None)
        return path

    return write

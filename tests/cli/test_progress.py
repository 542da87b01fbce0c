"""On a terminal, a newcomer sees that the model is loaded, and then how far it is."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest
import soundfile
from support import COMMAND, environment, tone


@pytest.mark.parametrize("command", [("caption", "a.wav", "--model", "fake"), ("run", "pipeline.yaml")])
def test_a_terminal_is_told_what_loads(tmp_path: Path, command: tuple[str, ...]) -> None:
    soundfile.write(tmp_path / "a.wav", tone(6), 16_000)
    (tmp_path / "pipeline.yaml").write_text(
        "model: {type: fake}\nsources: [{type: file, path: a.wav}]\nsinks: [{type: jsonl, path: x.jsonl}]\n"
    )
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *command], stdout=subprocess.PIPE, stderr=theirs, cwd=tmp_path, env=environment()
    ) as process:
        os.close(theirs)
        shown = b""
        while part := _read(ours):
            shown += part
        process.communicate(timeout=30)
    os.close(ours)
    assert process.returncode == 0
    assert "loading fake" in shown.decode()


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 1 << 16)
    except OSError:  # the other side is closed
        return b""

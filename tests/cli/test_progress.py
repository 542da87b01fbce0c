"""On a terminal, a newcomer sees that the model is loaded, and then how far it is."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest
import soundfile
from rich.progress import Progress
from support import COMMAND, environment, tone

from pengi_stream.cli.progress import ProgressSink
from pengi_stream.clock import rfc3339
from pengi_stream.types import Event


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


@pytest.mark.parametrize("start_ns", [0, 1_769_857_200_000_000_000])
def test_the_bar_stands_where_the_texts_are_whenever_files_begin(start_ns: int) -> None:
    progress = Progress()
    task = progress.add_task("x", total=20)
    sink = ProgressSink(progress, task)
    for name, offset_s in (("a", 0.0), ("a", 2.5), ("b", 0.0)):
        time_ns = start_ns + round(offset_s * 1e9)
        data = {"window_end": rfc3339(time_ns + 5_000_000_000), "offset_s": offset_s}
        sink.write([Event("", "pengi_stream.text", "", name, time_ns, data)])
    assert progress.tasks[0].completed == pytest.approx(12.5)


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 1 << 16)
    except OSError:  # the other side is closed
        return b""

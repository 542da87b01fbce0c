"""A run that a signal stops tells what it did not hear, and ends with the status that says so."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support import COMMAND, Ended, environment


def stopped(folder: Path, number: signal.Signals, *arguments: str, stdin: bytes | None = None) -> Ended:
    """How the command ends that gets a signal once it has said a line."""
    with subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=environment(),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if stdin is not None:
            process.stdin.write(stdin)
            process.stdin.flush()
        line = process.stdout.readline()
        process.send_signal(number)
        status = process.wait(timeout=30)
        out = line + process.stdout.read()
        err = process.stderr.read() if process.stderr else b""
    return Ended(status, out.decode(), err.decode())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_files_that_were_not_heard_to_their_end_are_told_with_the_place(
    pipeline: Callable[..., str], sound: Callable[..., Path], tmp_path: Path, number: signal.Signals
) -> None:
    for name in ("d/a.wav", "d/b.wav", "d/c.wav"):
        sound(name, seconds=60)
    name = pipeline(sources=[{"type": "file", "path": "d", "realtime": True}])
    ended = stopped(tmp_path, number, "run", name)
    assert ended.status == 128 + number
    assert f"stopped by {number.name}: d/a.wav was heard up to " in ended.err
    assert " of 60.0 s; 2 of 3 files were not begun" in ended.err
    assert "Traceback" not in ended.err


def test_a_pipe_has_an_end_and_a_live_one_has_none(pipeline: Callable[..., str], tmp_path: Path) -> None:
    audio = {"encoding": "s16le", "sample_rate": 16_000}
    for live, status in ((False, 130), (True, 0)):
        name = pipeline(sources=[{"type": "pipe", "audio": audio, "live": live}], gate={"min_dbfs": None})
        ended = stopped(tmp_path, signal.SIGINT, "run", name, stdin=bytes(2 * 16_000))
        assert ended.status == status, ended.err
        assert live or "stopped by SIGINT: stdin was heard up to 1.0 s" in ended.err


def test_what_a_stopped_caption_heard_stays_beside_earlier_results(sound: Callable[..., Path], tmp_path: Path) -> None:
    sound("a.wav", seconds=600)
    (tmp_path / "keep.csv").write_text("window_start,\n")
    with subprocess.Popen(
        [*COMMAND, "caption", "a.wav", "--model", "fake", "--hop-s", "0.05", "--output", "keep.csv"],
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=environment(),
    ) as process:
        part = tmp_path / "keep.csv.partial"
        while process.poll() is None and not (part.exists() and part.read_text().count("\n") > 1):
            pass
        process.send_signal(signal.SIGINT)
        err = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 130, err
    assert "keep.csv is as it was, what was heard is in keep.csv.partial" in err
    assert (tmp_path / "keep.csv").read_text() == "window_start,\n"
    assert "a.wav" in part.read_text()

"""What goes wrong is said in one line, and nothing else stops."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support import COMMAND, Ended, Run, environment


def one_line(ended: Ended, *words: str) -> None:
    """The last line on stderr says `words`, and there is no traceback."""
    last = ended.err.strip().splitlines()[-1]
    assert last.startswith("pengi-stream: "), ended.err
    for word in words:
        assert word in ended.err
    assert "Traceback" not in ended.err


def test_one_bad_file_of_a_folder_is_reported_and_the_others_are_done(
    run: Run, pipeline: Callable[..., str], sound: Callable[..., Path], tmp_path: Path
) -> None:
    sound("many/a.wav")
    (tmp_path / "many/b.wav").write_text("these are words, and no sound")
    sound("many/c.wav")
    ended = run("run", pipeline(sources=[{"type": "file", "path": "many"}]))
    assert ended.status == 1
    one_line(ended, "b.wav", "1 input(s) could not be processed")
    assert {event["subject"] for event in ended.events()} == {"many/a.wav", "many/c.wav"}
    [report] = ended.events("pengi_stream.source")
    assert report["subject"] == "many/b.wav"


def test_a_bad_file_that_is_kept_as_a_dead_letter_is_no_failure(
    run: Run, pipeline: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "b.wav").write_text("these are words, and no sound")
    sources = [{"type": "file", "path": "b.wav"}]
    ended = run("run", pipeline(sources=sources, dead_letters={"type": "jsonl", "path": "dead.jsonl"}))
    assert ended.status == 0
    [letter] = (tmp_path / "dead.jsonl").read_text().splitlines()
    assert "b.wav" in json.loads(letter)["reason"]


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", ["bad.wav", "empty"]), (b"RIFF\x10\0\0\0WAVEjunk", ["bad.wav"]), (None, ["bad.wav", "no such file"])],
)
def test_a_file_that_is_no_audio_is_named(run: Run, tmp_path: Path, content: bytes | None, words: list[str]) -> None:
    if content is not None:
        (tmp_path / "bad.wav").write_bytes(content)
    ended = run("caption", "bad.wav", "--model", "fake")
    assert ended.status == 1
    one_line(ended, *words)


def test_the_good_part_of_a_truncated_file_is_heard(
    run: Run, pipeline: Callable[..., str], sound: Callable[..., Path]
) -> None:
    path = sound("a.wav", seconds=4)
    path.write_bytes(path.read_bytes()[: 44 + 2 * 16_000 * 2 + 1])
    ended = run("run", pipeline(sources=[{"type": "file", "path": "a.wav"}]))
    assert ended.status == 1
    one_line(ended, "a.wav", "truncated")
    assert [event["data"]["offset_s"] for event in ended.events()] == [0.0, 0.5, 1.0]  # type: ignore[index]


def test_a_clip_of_a_fifth_of_a_second_is_heard(
    run: Run, pipeline: Callable[..., str], sound: Callable[..., Path]
) -> None:
    sound("a.wav", seconds=0.2)
    ended = run("run", pipeline(sources=[{"type": "file", "path": "a.wav"}]))
    assert ended.status == 0
    [event] = ended.events()
    assert event["data"]["window_end"] == "1970-01-01T00:00:00.200Z"  # type: ignore[index]


def test_nan_samples_are_reported_and_what_is_around_them_is_heard(
    run: Run, pipeline: Callable[..., str], tmp_path: Path
) -> None:
    samples = np.sin(np.arange(5 * 16_000) / 5).astype(np.float32) / 2
    samples[40_000] = np.nan
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    ended = run("run", pipeline(sources=[{"type": "file", "path": "a.wav"}]))
    assert ended.status == 1
    one_line(ended, "NaN")
    [gap] = ended.events("pengi_stream.gap")
    assert gap["data"]["gap_start"] == "1970-01-01T00:00:02.500Z"  # type: ignore[index]
    assert gap["data"]["duration_s"] == 0.1  # type: ignore[index]
    starts = [event["data"]["offset_s"] for event in ended.events()]  # type: ignore[index]
    assert starts == [0.0, 0.5, 1.0, 1.5, 2.6, 3.1, 3.6, 4.1]


def test_an_unknown_key_names_the_nearest_one(run: Run, pipeline: Callable[..., str]) -> None:
    ended = run("run", pipeline(sources=[{"type": "file", "path": "a.wav"}], batch={"max_wait": 1}))
    assert ended.status == 2
    one_line(ended, "'max_wait'", "did you mean 'max_wait_s'?")


def test_a_missing_checkpoint_is_named(run: Run, pipeline: Callable[..., str]) -> None:
    model = {"type": "pengi", "checkpoint": "nowhere"}
    ended = run("run", pipeline(sources=[{"type": "file", "path": "a.wav"}], model=model))
    assert ended.status == 1
    one_line(ended, "nowhere", "config.json")


def test_a_full_disk_ends_the_run_when_patience_does(
    run: Run, pipeline: Callable[..., str], sound: Callable[..., Path]
) -> None:
    sound("a.wav")
    name = pipeline(
        sources=[{"type": "file", "path": "a.wav"}],
        sinks=[{"type": "jsonl", "path": "/dev/full"}],
        delivery={"give_up_after_s": 0.1},
        shutdown={"drain_s": 1},
    )
    ended = run("run", name)
    assert ended.status == 1
    one_line(ended, "/dev/full", "disk is full")


def test_without_portaudio_the_user_is_told_what_to_install() -> None:
    code = "import ctypes.util as u; u.find_library = lambda _: None; from pengi_stream.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", code, "devices"], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    one_line(Ended(1, ended.stdout, ended.stderr), "PortAudio is not installed", "libportaudio2")


def test_sigterm_drains_and_ends_well(pipeline: Callable[..., str], tmp_path: Path) -> None:
    name = pipeline(sources=[{"type": "synthetic", "realtime": True, "live": True}])
    with subprocess.Popen(
        [*COMMAND, "run", name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, env=environment()
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"{")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert all(json.loads(line) for line in out.splitlines())


def test_a_reader_that_goes_away_ends_the_run_with_one_line(pipeline: Callable[..., str], tmp_path: Path) -> None:
    name = pipeline(sources=[{"type": "synthetic"}], shutdown={"drain_s": 1})
    with subprocess.Popen(
        [*COMMAND, "run", name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, env=environment()
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read().decode() if process.stderr else ""
        assert process.wait(30) == 1
    one_line(Ended(1, "", err), "nobody reads")


def test_debug_shows_the_traceback(run: Run, pipeline: Callable[..., str], sound: Callable[..., Path]) -> None:
    ended = run("--debug", "run", "nothing.yaml")
    assert ended.status != 0
    assert "Traceback" in ended.err
    sound("a.wav")
    name = pipeline(
        sources=[{"type": "file", "path": "a.wav"}],
        sinks=[{"type": "jsonl", "path": "/dev/full"}],
        delivery={"give_up_after_s": 0},
        shutdown={"drain_s": 1},
    )
    assert "stage_failed" in run("--debug", "run", name).err
    assert "stage_failed" not in run("run", name).err


def test_an_unexpected_error_is_one_line_too() -> None:
    code = (
        "import pengi_stream.cli.check as c; c.load_config = lambda *_, **__: 1 / 0; "
        "from pengi_stream.cli import main; main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, "check", "x.yaml"], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    one_line(Ended(1, ended.stdout, ended.stderr), "internal error: ZeroDivisionError", "--debug")


def test_the_exit_status_of_wrong_usage_is_2(run: Run) -> None:
    assert run("caption").status == 2
    assert run("run", "a", "b").status == 2
    assert run("--help").status == 0

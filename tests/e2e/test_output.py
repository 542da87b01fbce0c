"""`caption --output` loses nothing: neither recordings, nor earlier results, nor another command's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import COMMAND, Run, environment

from pengi_stream.cli.output import results_at
from pengi_stream.errors import ConfigError

FAKE = ("--model", "fake")
HOLDER = """
import sys
from pengi_stream.cli.output import results_at
with results_at("cc.jsonl", "jsonl", [], force=False):
    print(flush=True)
    sys.stdin.read()
"""


def test_a_shell_that_expands_a_glob_as_the_output_costs_no_recording(
    run: Run, sound: Callable[..., Path], tmp_path: Path
) -> None:
    before = sound("d/1.wav").read_bytes()
    sound("d/2.wav")
    ended = run("caption", "--output", "d/1.wav", "d/2.wav", *FAKE)
    assert ended.status == 2
    assert "expected a name that ends with .jsonl" in ended.err
    for more in ((), ("--force",)):
        ended = run("caption", "--output", "d/1.wav", "d", "--format", "jsonl", *FAKE, *more)
        assert ended.status == 2
        assert "is one of the recordings" in ended.err
    assert (tmp_path / "d/1.wav").read_bytes() == before


@pytest.mark.parametrize("name", ["notes.jsonl", "table.csv"])
def test_a_file_of_something_else_is_replaced_by_force_alone(
    run: Run, sound: Callable[..., Path], tmp_path: Path, name: str
) -> None:
    sound("a.wav")
    (tmp_path / name).write_text('{"mine": 1}\n')
    ended = run("caption", "a.wav", "--output", name, *FAKE)
    assert ended.status == 2
    assert "holds something else" in ended.err
    assert "--force" in ended.err
    assert (tmp_path / name).read_text() == '{"mine": 1}\n'
    assert run("caption", "a.wav", "--output", name, "--force", *FAKE).status == 0
    assert "a.wav" in (tmp_path / name).read_text()


def test_earlier_results_stay_where_nothing_new_was_heard_and_are_replaced_otherwise(
    run: Run, sound: Callable[..., Path], tmp_path: Path
) -> None:
    sound("a.wav")
    assert run("caption", "a.wav", "--output", "keep.csv", *FAKE).status == 0
    kept = (tmp_path / "keep.csv").read_text()
    assert run("caption", "nothere.wav", "--output", "keep.csv", *FAKE).status == 1
    assert (tmp_path / "keep.csv").read_text() == kept
    sound("b.wav")
    assert run("caption", "b.wav", "--output", "keep.csv", *FAKE).status == 0
    rows = (tmp_path / "keep.csv").read_text()
    assert "b.wav" in rows
    assert "a.wav" not in rows
    assert {path.name for path in tmp_path.iterdir()} == {"a.wav", "b.wav", "keep.csv"}


def test_one_bad_file_costs_no_results_of_the_others(run: Run, sound: Callable[..., Path], tmp_path: Path) -> None:
    sound("a.wav")
    assert run("caption", "a.wav", "nothere.wav", "--output", "new.csv", *FAKE).status == 1
    assert "a.wav" in (tmp_path / "new.csv").read_text()


def test_two_commands_do_not_write_to_one_file(run: Run, sound: Callable[..., Path], tmp_path: Path) -> None:
    sound("a.wav")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path, env=environment()
    ) as first:
        assert first.stdout is not None
        first.stdout.readline()
        ended = run("caption", "a.wav", "--output", "cc.jsonl", "--force", *FAKE)
        assert ended.status == 2
        assert "another command writes to it" in ended.err
        first.communicate(timeout=30)
    assert run("caption", "a.wav", "--output", "cc.jsonl", *FAKE).status == 0


def test_a_file_that_a_run_appends_to_is_refused(
    run: Run, pipeline: Callable[..., str], sound: Callable[..., Path], tmp_path: Path
) -> None:
    sound("a.wav")
    name = pipeline(
        sources=[{"type": "synthetic", "live": True, "realtime": True}],
        sinks=[{"type": "jsonl", "path": "events.jsonl"}, {"type": "jsonl", "path": "-"}],
    )
    with subprocess.Popen(
        [*COMMAND, "run", name], stdout=subprocess.PIPE, cwd=tmp_path, env=environment()
    ) as appending:
        assert appending.stdout is not None
        appending.stdout.readline()
        ended = run("caption", "a.wav", "--output", "events.jsonl", *FAKE)
        appending.send_signal(signal.SIGTERM)
        appending.communicate(timeout=30)
    assert ended.status == 2
    assert "another command writes to it" in ended.err


@pytest.mark.parametrize(
    ("output", "words"), [("nope/x.jsonl", "there is no folder"), (".", "expected a name"), ("x.srt", "--format")]
)
def test_a_place_that_is_none_is_refused_at_once(
    run: Run, sound: Callable[..., Path], tmp_path: Path, output: str, words: str
) -> None:
    sound("a.wav")
    ended = run("caption", "a.wav", "--output", output, *FAKE)
    assert ended.status == 2
    assert words in ended.err
    assert not (tmp_path / "nope").exists()


def test_an_error_of_the_run_is_not_taken_for_one_of_the_output(tmp_path: Path) -> None:
    with pytest.raises(BlockingIOError), results_at(str(tmp_path / "x.csv"), "csv", [], force=False):
        raise BlockingIOError
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)
    with (
        pytest.raises(ConfigError, match="cannot be written: Read-only"),
        results_at(str(tmp_path / "x.csv"), "csv", [], force=False),
    ):
        pass


def test_a_device_is_written_to_as_it_is(run: Run, sound: Callable[..., Path]) -> None:
    sound("a.wav")
    ended = run("caption", "a.wav", "--format", "jsonl", "--output", "/dev/stdout", *FAKE)
    assert ended.status == 0
    assert ended.events()

"""Whatever a shell does to the streams, the locale and the first half second, a command says what it did."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import COMMAND, environment


@pytest.mark.parametrize("module", ["typer", "pydantic", "numpy", "pengi_stream.cli.run"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_command_loads_ends_it_with_one_line(module: str, number: signal.Signals) -> None:
    code = f"""
import signal, sys

signal.signal(signal.SIGINT, signal.default_int_handler)  # who starts tests in the background has it ignored

class Hook:
    def find_spec(self, name, *_):
        if name == {module!r}:
            signal.raise_signal({int(number)})

sys.meta_path.insert(0, Hook())
sys.argv = ["pengi-stream", "--help"]
from pengi_stream.cli import main
main()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 128 + number
    assert ended.stderr == f"pengi-stream: stopped by {number.name}\n"


def test_an_ignored_signal_stays_ignored() -> None:
    code = (
        "import os, signal; signal.signal(signal.SIGINT, signal.SIG_IGN); "
        "from pengi_stream.cli.process import prepare; prepare(); os.kill(os.getpid(), signal.SIGINT); print('goes on')"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (0, "goes on\n")


def shell(folder: Path, redirection: str, *arguments: str, **variables: str) -> tuple[int, str, str]:
    command = ["sh", "-c", f'exec "$@" {redirection}', "sh", *COMMAND, *arguments]
    ended = subprocess.run(
        command, capture_output=True, cwd=folder, env=environment() | variables, timeout=60, check=False
    )
    return ended.returncode, ended.stdout.decode(), ended.stderr.decode()


@pytest.mark.parametrize("form", [(), ("--format", "jsonl")])
@pytest.mark.parametrize("redirection", [">&-", "<&- >&-"])
def test_a_closed_stdout_is_no_success(
    sound: Callable[..., Path], tmp_path: Path, form: tuple[str, ...], redirection: str
) -> None:
    sound("a.wav")
    status, _, err = shell(tmp_path, redirection, "caption", "a.wav", "--model", "fake", *form)
    assert status == 1
    assert "pengi-stream: stdout: cannot be written" in err
    assert {path.name for path in tmp_path.iterdir()} == {"a.wav"}


def test_a_closed_stdout_is_no_matter_where_nothing_is_written_to_it(
    sound: Callable[..., Path], tmp_path: Path
) -> None:
    sound("a.wav")
    assert shell(tmp_path, ">&-", "caption", "a.wav", "--model", "fake", "--output", "a.csv")[0] == 0
    assert "a.wav" in (tmp_path / "a.csv").read_text()


def test_a_closed_stderr_keeps_nothing_from_being_done(sound: Callable[..., Path], tmp_path: Path) -> None:
    sound("a.wav")
    status, out, _ = shell(tmp_path, "2>&-", "caption", "a.wav", "nothere.wav", "--model", "fake")
    assert "a.wav" in out
    assert status == 1  # of the missing one
    assert shell(tmp_path, "2>&-", "caption", "a.wav", "--model", "fake")[0] == 0


def test_plugins_on_a_full_disk_says_so(tmp_path: Path) -> None:
    status, _, err = shell(tmp_path, ">/dev/full", "plugins")
    assert status == 1
    assert "internal error" not in err


@pytest.mark.parametrize("name", ["Türöffner 鳥.wav", os.fsdecode(b"latin-\xfc.wav")])
def test_any_name_of_a_file_is_read_in_any_locale(sound: Callable[..., Path], tmp_path: Path, name: str) -> None:
    sound("a.wav").rename(tmp_path / name)
    for variables in ({"PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}, {"LC_ALL": "C.UTF-8"}):
        for form in ((), ("--output", "ö.csv")):
            status, _, err = shell(tmp_path, "", "caption", name, "--model", "fake", *form, **variables)
            assert status == 0, err

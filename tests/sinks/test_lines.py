from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from pengi_stream.errors import SinkError
from pengi_stream.sinks.lines import Fsync, LineWriter


def written(path: Path, *batches: bytes, fsync: Fsync = "flush") -> LineWriter:
    writer = LineWriter(str(path), fsync=fsync)
    for batch in batches:
        writer.write(batch)
    return writer


def test_lines_are_appended_to_what_is_there_in_a_folder_that_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.jsonl"
    written(path, b"1\n", b"2\n3\n").close()
    written(path, b"4\n").close()
    assert path.read_bytes() == b"1\n2\n3\n4\n"


@given(
    kept=st.sampled_from([b"", b"1\n", b"1\n22\n"]),
    torn=st.binary(max_size=200_000).map(lambda b: b.replace(b"\n", b"")),
)
def test_a_line_that_was_not_finished_is_cut_off_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, kept: bytes, torn: bytes
) -> None:
    path = tmp_path_factory.mktemp("torn") / "a.jsonl"
    path.write_bytes(kept + torn)
    written(path, b"next\n").close()
    assert path.read_bytes() == kept + b"next\n"


def test_cutting_a_line_is_logged_with_its_length(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"1\n{torn")
    with capture_logs() as logs:
        written(path).close()
    assert logs == [{"event": "torn_line_cut", "log_level": "warning", "path": str(path), "bytes": 5}]


def test_is_empty_until_the_first_line(tmp_path: Path) -> None:
    writer = written(tmp_path / "a.csv")
    assert writer.is_empty
    writer.write(b"1\n")
    assert not writer.is_empty
    writer.close()
    assert not written(tmp_path / "a.csv").is_empty


def test_a_file_of_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    path.write_bytes(b"RIFF and no newline behind it")
    with pytest.raises(SinkError, match=r"song\.wav: holds something else"):
        LineWriter(str(path), begins=b"{")
    assert path.read_bytes() == b"RIFF and no newline behind it"


def test_two_writers_of_one_file_are_refused(tmp_path: Path) -> None:
    first = written(tmp_path / "a.jsonl", b"1\n")
    with pytest.raises(SinkError, match=r"a\.jsonl: another process writes to it"):
        written(tmp_path / "a.jsonl")
    first.close()
    written(tmp_path / "a.jsonl").close()


KILLED = """
import sys
from pengi_stream.sinks.lines import LineWriter
writer = LineWriter(sys.argv[1])
number = 0
while True:
    writer.write(b"".join(b'{"number":%d,"text":"%s"}\\n' % (number + i, b"x" * 4000) for i in range(8)))
    number += 8
    writer.flush()
    print(number, flush=True)
"""


def test_a_kill_leaves_whole_lines_once_the_file_is_opened_again_and_loses_none_that_was_flushed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.jsonl"
    flushed = 0
    for wanted in (1, 3, 7, 12):
        before = path.read_bytes().count(b"\n") if path.exists() else 0
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(wanted):
            flushed = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        process.wait()
        written(path).close()
        lines = path.read_bytes().splitlines(keepends=True)
        assert len(lines) - before >= flushed
        assert all(line.startswith(b'{"number":') and line.endswith(b'"}\n') for line in lines)


LIMITED = """
import resource, sys
from pengi_stream.errors import SinkError
from pengi_stream.sinks.lines import LineWriter
writer = LineWriter(sys.argv[1])
writer.write(b"first\\n")
resource.setrlimit(resource.RLIMIT_FSIZE, (20, resource.RLIM_INFINITY))
try:
    writer.write(b"second that is too long\\n")
except SinkError as error:
    print(error)
print(open(sys.argv[1]).read(), end="")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
writer.write(b"third\\n")
"""


def test_a_write_of_which_only_a_part_fits_leaves_nothing_behind_and_can_be_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    run = subprocess.run([sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=True)
    assert run.stdout == f"{path}: cannot be written: File too large\nfirst\n"
    assert path.read_bytes() == b"first\nthird\n"


def test_a_full_disk_is_named_and_may_get_better() -> None:
    writer = LineWriter("/dev/full")
    with pytest.raises(SinkError, match="/dev/full: the disk is full; make room") as caught:
        writer.write(b"1\n")
    assert caught.value.retry_after_s == 5.0


def test_a_disk_that_fills_while_it_is_synced_takes_the_lines_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = written(tmp_path / "a.jsonl", b"1\n", fsync="always")
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(SinkError, match="disk is full"):
        writer.write(b"2\n")
    assert (tmp_path / "a.jsonl").read_bytes() == b"1\n"


def full_disk(fd: int) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(("fsync", "on_write", "on_flush"), [("always", 1, 1), ("flush", 0, 1), ("never", 0, 0)])
def test_lines_are_forced_to_the_disk_when_the_policy_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fsync: Fsync, on_write: int, on_flush: int
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    writer = written(tmp_path / "a.jsonl", b"1\n", fsync=fsync)
    assert len(synced) == on_write
    writer.flush()
    assert len(synced) == on_write + on_flush


def test_a_reader_that_goes_away_is_named(tmp_path: Path) -> None:
    imports = "import sys; from pengi_stream.sinks.lines import LineWriter"
    script = f"{imports}; w = LineWriter('-'); sys.stdin.read(); w.write(b'1\\n')"
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, errors = process.communicate("")
    assert errors.splitlines()[-1].endswith("SinkError: stdout: nobody reads the output any more")


def test_a_device_that_took_a_part_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    writer = LineWriter("/dev/null")
    answers: list[Callable[[], int]] = [lambda: 1, lambda: full_disk(0) or 0]
    monkeypatch.setattr(os, "write", lambda fd, data: answers.pop(0)())
    with pytest.raises(SinkError, match="disk is full") as caught:
        writer.write(b"12\n")
    assert caught.value.retry_after_s is None


def test_files_rotate_before_they_grow_too_large_and_the_oldest_goes(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    writer = LineWriter(str(path), rotate_bytes=10, keep=2)
    for number in range(8):
        writer.write(b"line%d\n" % number)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        "a.jsonl": b"line7\n",
        "a.jsonl.1": b"line6\n",
        "a.jsonl.2": b"line5\n",
    }


def test_lines_larger_than_a_whole_file_stay_together(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    writer = LineWriter(str(path), rotate_bytes=10)
    writer.write(b"a line that is longer\n")
    writer.write(b"short\n")
    assert path.read_bytes() == b"short\n"
    assert (tmp_path / "a.jsonl.1").read_bytes() == b"a line that is longer\n"


def test_a_rotation_that_fails_loses_no_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    writer = LineWriter(str(path), rotate_bytes=10, keep=1)
    writer.write(b"line0\n")
    (tmp_path / "a.jsonl.1").mkdir()
    with pytest.raises(SinkError, match=r"a\.jsonl: cannot be written: "):
        writer.write(b"line1\n")
    (tmp_path / "a.jsonl.1").rmdir()
    writer.write(b"line1\n")
    assert path.read_bytes() == b"line1\n"
    assert (tmp_path / "a.jsonl.1").read_bytes() == b"line0\n"


@pytest.mark.parametrize("name", [".", "file/below"])
def test_a_path_that_cannot_be_written_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match=r"cannot be opened: .*expected a file to write") as caught:
        LineWriter(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_closing_twice_does_no_harm_and_leaves_stdout_open(tmp_path: Path) -> None:
    for writer in (LineWriter("-"), written(tmp_path / "a.jsonl", b"1\n")):
        writer.close()
        writer.close()
    assert os.fstat(1)

"""A file of results: written beside its place, and put there when all is done."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from pengi_stream.cli.ran import RunError
from pengi_stream.errors import ConfigError

STDOUT = "-"
HEADS = {"jsonl": b'{"specversion":', "csv": b"window_start,"}
HEAD_LINES = {"jsonl": 0, "csv": 1}


@contextmanager
def results_at(output: str, style: str, inputs: Sequence[str], *, force: bool) -> Iterator[str]:
    """Gives the path to write results of `style` to; afterwards they are at `output`, in place of earlier ones.

    A run that was cut off leaves `output` as it was; what it wrote stays beside it. Raises ConfigError where `output`
    is one of the `inputs`, holds something else than such results (`force` replaces it), or is written by another.
    """
    if output == STDOUT or (Path(output).exists() and not Path(output).is_file() and not Path(output).is_dir()):
        yield output  # a device or a pipe has nothing to lose
        return
    target = Path(output).resolve()
    _check_place(output, target, inputs)
    with _claimed(output, target):
        _check_content(output, target, style, force=force)
        part = target.with_name(f"{target.name}.partial")
        _check_content(str(part), part, style, force=force)
        part.unlink(missing_ok=True)
        yield from _written(output, target, part, style)


def _written(output: str, target: Path, part: Path, style: str) -> Iterator[str]:
    try:
        yield str(part)
    except RunError as error:
        if error.ran.whole:
            _put(part, target)
        elif _holds_results(part, style):
            name = f"{output}.partial"
            raise RunError(f"{error}; {output} is as it was, what was heard is in {name}", error.ran) from error
        else:
            part.unlink(missing_ok=True)
        raise
    except BaseException:
        if not _holds_results(part, style):
            part.unlink(missing_ok=True)
        raise
    _put(part, target)


def _check_place(output: str, target: Path, inputs: Sequence[str]) -> None:
    if target.is_dir():
        raise ConfigError(f"--output {output}: is a folder, expected a file")
    if not target.parent.is_dir():
        raise ConfigError(f"--output {output}: there is no folder {target.parent}; make it first")
    if any(Path(path).resolve() == target for path in inputs):
        raise ConfigError(f"--output {output}: is one of the recordings; choose another file")


def _check_content(name: str, path: Path, style: str, *, force: bool) -> None:
    if force or not path.exists():
        return
    try:
        with path.open("rb") as file:
            head = file.read(len(HEADS[style]))
    except OSError as error:
        raise ConfigError(f"--output {name}: cannot be read: {error.strerror}") from error
    if not HEADS[style].startswith(head):
        raise ConfigError(
            f"--output {name}: holds something else than earlier results as {style}; "
            "choose another file, or replace it with --force"
        )


@contextmanager
def _claimed(output: str, target: Path) -> Iterator[None]:
    """While inside, no other command writes to `target`. Raises ConfigError where one does."""
    lock = target.with_name(f".{target.name}.lock")
    try:
        held = [_lock(lock)]
    except OSError as error:
        raise _refused(output, error) from error
    try:
        held += _lock_existing(output, target)
        yield
    finally:
        with suppress(OSError):
            lock.unlink()
        for fd in held:
            os.close(fd)


def _lock_existing(output: str, target: Path) -> list[int]:
    """What is there, locked as a sink that appends to it would lock it. Raises ConfigError."""
    if not target.exists():
        return []
    try:
        fd = os.open(target, os.O_RDONLY)
    except OSError as error:
        raise _refused(output, error) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise _refused(output, error) from error
    return [fd]


def _refused(output: str, error: OSError) -> ConfigError:
    if isinstance(error, BlockingIOError):
        return ConfigError(f"--output {output}: another command writes to it; choose another file")
    return ConfigError(f"--output {output}: cannot be written: {error.strerror}; choose another file")


def _lock(path: Path) -> int:
    """A locked file at `path`, and not one that its holder has just removed. Raises BlockingIOError."""
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and path.stat().st_ino == os.fstat(fd).st_ino:
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _holds_results(part: Path, style: str) -> bool:
    if not part.exists():
        return False
    with part.open("rb") as file:
        return any(number >= HEAD_LINES[style] for number, _ in enumerate(file))


def _put(part: Path, target: Path) -> None:
    if not part.exists():
        return
    if target.exists():
        part.chmod(target.stat().st_mode)
    part.replace(target)

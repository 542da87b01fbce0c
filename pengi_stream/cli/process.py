"""What a command must settle before anything is imported that takes time, or opened. Imports next to nothing."""

from __future__ import annotations

import io
import os
import signal
import sys
from types import FrameType

OF_SIGNALS = 128
STDIN, STDOUT, STDERR = 0, 1, 2


def prepare() -> None:
    """Put locale, signals and streams in order: names are UTF-8 in the locale C too, a signal ends the command with one
    line, and no file that is opened later passes for a closed stream."""
    if sys.getfilesystemencoding() == "ascii" and not sys.flags.utf8_mode:  # names of files would be no text
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606  itself
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as shells have it for what runs in the background
            signal.signal(number, _end)
    closed = [fd for fd in (STDIN, STDOUT, STDERR) if not _is_open(fd)]
    for fd in closed:  # stdout takes no bytes, so that what is written to it is missed
        _put(fd, os.O_WRONLY if fd == STDERR else os.O_RDONLY)
    if STDOUT in closed:
        sys.stdout = _text(STDOUT)
    if STDERR in closed:
        sys.stderr = _text(STDERR)


def _end(number: int, _: FrameType | None) -> None:
    if sys.stderr is not None:
        print(f"pengi-stream: stopped by {signal.Signals(number).name}", file=sys.stderr)  # noqa: T201
    raise SystemExit(OF_SIGNALS + number)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _put(fd: int, flags: int) -> None:
    opened = os.open(os.devnull, flags)
    if opened != fd:
        os.dup2(opened, fd)
        os.close(opened)


def _text(fd: int) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.FileIO(fd, "w", closefd=False), encoding="utf-8", write_through=True)

"""Files of whole lines: what a kill or a full disk tears is cut off again."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path
from typing import Literal

import structlog

from pengi_stream.errors import SinkError

log = structlog.get_logger()

Fsync = Literal["always", "flush", "never"]
STDOUT = "-"
RETRY_AFTER_S = 5.0  # somebody may make room
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
BLOCK = 1 << 16


class LineWriter:
    """Appends whole lines to a file; rotates it by size. One thread.

    The folder is created where it is missing. A line that an earlier process did not finish is cut off when the file
    is opened. `-` is stdout, never rotated. Raises SinkError where the file cannot be opened, where another process
    writes to it, and where it holds something else: such files all start with `begins`.
    """

    def __init__(
        self,
        path: str,
        *,
        begins: bytes = b"",
        rotate_bytes: int | None = None,
        keep: int = 5,
        fsync: Fsync = "flush",
    ) -> None:
        self._path = path
        self._begins = begins
        self._rotate_bytes = rotate_bytes
        self._keep = keep
        self._fsync = fsync
        self._fd = 1 if path == STDOUT else self._open()
        self._is_file = path != STDOUT and stat.S_ISREG(os.fstat(self._fd).st_mode)

    @property
    def is_empty(self) -> bool:
        """Nothing was written yet, by anybody; always true of stdout and other devices."""
        return self._size() == 0

    def write(self, lines: bytes) -> None:
        """Append `lines`, which end with a newline, whole or not at all. Raises SinkError."""
        size = self._size()
        if self._rotate_bytes is not None and size > 0 and size + len(lines) > self._rotate_bytes:
            self._rotate()
            size = 0
        rest = memoryview(lines)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
            if self._fsync == "always":
                self._sync()
        except OSError as error:
            if self._is_file:
                os.ftruncate(self._fd, size)
            raise self._refused(error, torn=not self._is_file and len(rest) < len(lines)) from error

    def flush(self) -> None:
        """Return when all lines are on the disk, or handed to the system under `fsync: never`. Raises SinkError."""
        try:
            if self._fsync != "never":
                self._sync()
        except OSError as error:
            raise self._refused(error) from error

    def close(self) -> None:
        """Any number of times."""
        if self._path != STDOUT and self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self._is_file = False

    def _open(self) -> int:
        path = Path(self._path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            if stat.S_ISREG(os.fstat(fd).st_mode):
                self._claim(fd)
                self._cut_torn_line(fd)
        except BlockingIOError as error:
            raise SinkError(f"{path}: another process writes to it; choose another path") from error
        except OSError as error:
            reason = error.strerror
            raise SinkError(f"{path}: cannot be opened: {reason}; expected a file to write, check its path") from error
        return fd

    def _claim(self, fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not self._begins.startswith(os.pread(fd, len(self._begins), 0)):
            raise SinkError(f"{self._path}: holds something else than earlier lines; choose another path")

    def _cut_torn_line(self, fd: int) -> None:
        size = os.fstat(fd).st_size
        end = size
        while end > 0:
            start = max(0, end - BLOCK)
            newline = os.pread(fd, end - start, start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end < size:
            log.warning("torn_line_cut", path=self._path, bytes=size - end)
            os.ftruncate(fd, end)

    def _rotate(self) -> None:
        self.flush()
        path = Path(self._path)
        try:
            for number in range(self._keep - 1, 0, -1):
                older = path.with_name(f"{path.name}.{number}")
                if older.exists():
                    older.replace(path.with_name(f"{path.name}.{number + 1}"))
            path.replace(path.with_name(f"{path.name}.1"))
        except OSError as error:
            raise self._refused(error) from error
        full, self._fd = self._fd, self._open()
        os.close(full)

    def _size(self) -> int:
        return os.fstat(self._fd).st_size if self._is_file else 0

    def _sync(self) -> None:
        if self._is_file:
            os.fsync(self._fd)

    def _refused(self, error: OSError, *, torn: bool = False) -> SinkError:
        name = "stdout" if self._path == STDOUT else self._path
        if error.errno in FULL:
            return SinkError(f"{name}: the disk is full; make room", None if torn else RETRY_AFTER_S)
        if error.errno == errno.EPIPE:
            return SinkError(f"{name}: nobody reads the output any more")
        return SinkError(f"{name}: cannot be written: {error.strerror}")

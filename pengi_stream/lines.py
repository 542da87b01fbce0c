"""Files of whole lines: what a kill or a full disk tears is cut off again."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Literal

import structlog

from pengi_stream.errors import SinkError

log = structlog.get_logger()

Fsync = Literal["always", "flush", "never"]
RETRY_AFTER_S = 5.0  # somebody may make room
BLOCK = 1 << 16


class LineWriter:
    """Appends whole lines to a file; rotates it by size. One thread.

    A line that an earlier process did not finish is cut off when the file is opened. `-` is stdout, never rotated.
    """

    def __init__(self, path: str, *, rotate_bytes: int | None = None, keep: int = 5, fsync: Fsync = "flush") -> None:
        self._path = path
        self._rotate_bytes = rotate_bytes
        self._keep = keep
        self._fsync = fsync
        self._fd = self._open()

    def write(self, lines: bytes) -> None:
        """Append `lines`, which end with a newline, whole or not at all. Raises SinkError."""
        size = self._size()
        if self._rotate_bytes is not None and size > 0 and size + len(lines) > self._rotate_bytes:
            self._rotate()
            size = 0
        try:
            rest = memoryview(lines)
            while rest:
                rest = rest[os.write(self._fd, rest) :]
            if self._fsync == "always":
                self._sync()
        except OSError as error:
            self._cut(size)
            raise self._refused(error) from error

    def flush(self) -> None:
        """Return when all lines are on the disk, or handed to the system under `fsync: never`. Raises SinkError."""
        try:
            if self._fsync != "never":
                self._sync()
        except OSError as error:
            raise self._refused(error) from error

    def close(self) -> None:
        """Any number of times."""
        if self._fd > 2:
            os.close(self._fd)
        self._fd = -1

    def _open(self) -> int:
        if self._path == "-":
            return 1
        path = Path(self._path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            self._cut_torn_line(fd)
        except OSError as error:
            raise SinkError(f"{path}: cannot be written: {error.strerror}; check the path and its rights") from error
        return fd

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
        self.close()
        self._fd = self._open()

    def _size(self) -> int:
        return os.fstat(self._fd).st_size if self._is_file() else 0

    def _cut(self, size: int) -> None:
        if self._is_file():
            os.ftruncate(self._fd, size)

    def _sync(self) -> None:
        if self._is_file():
            os.fsync(self._fd)

    def _is_file(self) -> bool:
        return self._fd > 2 and Path(self._path).is_file()

    def _refused(self, error: OSError) -> SinkError:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return SinkError(f"{self._path}: the disk is full; make room", RETRY_AFTER_S)
        if error.errno == errno.EPIPE:
            return SinkError(f"{self._path}: nobody reads the output any more")
        return SinkError(f"{self._path}: cannot be written: {error.strerror}")

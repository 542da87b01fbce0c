"""Audio files, one stream each."""

from __future__ import annotations

import glob
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from pengi_stream.audio.decode import SUFFIXES, AudioFile
from pengi_stream.clock import Clock, SystemClock
from pengi_stream.errors import AudioError, SourceError
from pengi_stream.plugins import SourceConfig
from pengi_stream.sounds.demo import or_demo
from pengi_stream.sources.pace import Pace
from pengi_stream.sources.times import EPOCH, FileStartsAt, file_start_ns
from pengi_stream.types import BadRecord, Frame, Position, SourceItem, Stream, StreamEnd, TimeMap

FRAMES_PER_S = 10


class FileSourceConfig(SourceConfig):
    """Audio files: wav, flac, ogg, mp3; paths, globs and folders."""

    type: Literal["file"]
    path: str | tuple[str, ...] = Field(min_length=1)
    """A file, a glob (`**` goes deep), a folder (all audio files below it) or `demo`, a recording that ships with the
    package; or a list of these."""
    realtime: bool = False
    """Play at the recording's own speed."""
    starts_at: FileStartsAt = EPOCH
    stream_id: str | None = None
    """Default: the path as given, or as found in the glob or folder. For one file only: each file is a stream."""

    def build(self) -> FileSource:
        return FileSource(self)


class FileSource:
    """Gives file after file; one that cannot be read is a bad record, and the next one follows."""

    def __init__(self, config: FileSourceConfig, clock: Clock | None = None) -> None:
        self._config = config
        self._clock = clock or SystemClock()
        self._closed = threading.Event()

    def frames(self) -> Iterator[SourceItem]:
        given = [self._config.path] if isinstance(self._config.path, str) else self._config.path
        paths = find_files(given)
        if self._config.stream_id is not None and len(paths) > 1:
            raise SourceError(f"stream_id {self._config.stream_id!r} stands for {len(paths)} files; leave it out")
        for path in paths:
            stream = Stream(self._config.stream_id or path, live=self._config.live)
            yield from self._file(Path(path), stream)
            if self._closed.is_set():
                return
            yield StreamEnd(stream)

    def commit(self, position: Position) -> None:
        """Files have no positions: they are read from their start."""

    def close(self) -> None:
        self._closed.set()

    def _file(self, path: Path, stream: Stream) -> Iterator[Frame | BadRecord]:
        last: Frame | None = None
        try:
            for frame in self._frames_of(path, stream):
                last = frame
                yield frame
        except (AudioError, OSError) as error:
            time_ns = 0 if last is None else last.time.at(last.end_sample)
            yield BadRecord(stream, str(error), exception=type(error).__name__, time_ns=time_ns)

    def _frames_of(self, path: Path, stream: Stream) -> Iterator[Frame]:
        file = AudioFile(path)
        try:
            time = TimeMap(0, file_start_ns(self._config.starts_at, self._clock, path), file.sample_rate)
            pace = Pace(self._clock, self._closed) if self._config.realtime else None
            first_sample = 0
            for samples in file.blocks(file.sample_rate // FRAMES_PER_S):
                frame = Frame(stream, first_sample, samples, file.sample_rate, time)
                first_sample = frame.end_sample
                if pace is not None:
                    pace.wait_until(first_sample / file.sample_rate)
                if self._closed.is_set():
                    return
                yield frame
        finally:
            file.close()


def find_files(given: Sequence[str]) -> list[str]:
    """The files that paths, globs, folders and `demo` name, in order; what names none stays, to be reported."""
    found: list[str] = []
    for path in map(or_demo, given):
        if Path(path).is_dir():
            inside = (p for p in Path(path).rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
            found += sorted(map(str, inside)) or [path]
        elif Path(path).exists():
            found.append(path)
        else:
            matches = glob.glob(path, recursive=True)  # noqa: PTH207  Path.glob takes no absolute pattern
            found += sorted(match for match in matches if Path(match).is_file()) or [path]
    return list(dict.fromkeys(found))

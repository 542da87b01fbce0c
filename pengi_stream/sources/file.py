"""Audio files, one stream each."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import structlog
from pydantic import Field, model_validator

from pengi_stream.audio.decode import AudioFile
from pengi_stream.clock import Clock
from pengi_stream.errors import AudioError, SourceError
from pengi_stream.plugins import SourceConfig
from pengi_stream.protocols import AudioSource, Context
from pengi_stream.sounds.demo import stream_of
from pengi_stream.sources.found import find_files
from pengi_stream.sources.pace import Pace
from pengi_stream.sources.times import EPOCH, FileStartsAt, Start, Zone
from pengi_stream.types import BadRecord, Frame, SourceItem, Stream, StreamEnd, TimeMap

log = structlog.get_logger()

FRAMES_PER_S = 10


class FileSourceConfig(SourceConfig):
    """Audio files: wav, flac, ogg, opus, mp3, aiff, caf and others; paths, globs and folders."""

    type: Literal["file"]
    path: str | tuple[str, ...] = Field(min_length=1)
    """A file, a glob (`**` goes deep), a folder (all files of sound below it) or `demo`, a recording that ships with
    the package; or a list of these."""
    realtime: bool = False
    """Play at the recording's own speed."""
    starts_at: FileStartsAt = EPOCH
    zone: Zone | None = None
    """Of times in names and metadata that have none; default: UTC"""
    stream_id: str | None = None
    """Default: the path as given, or as found in the glob or folder. For one file only: each file is a stream."""

    @model_validator(mode="after")
    def _check_zone(self) -> FileSourceConfig:
        if self.zone is not None and not self.start.takes_zone:
            raise ValueError(
                f"`zone` is of times in names and metadata, found starts_at {self.starts_at!r}; expected `metadata` or "
                "a pattern of the file's name without %z"
            )
        return self

    @property
    def start(self) -> Start:
        """When each file begins"""
        return Start(self.starts_at, self.zone)

    @property
    def given(self) -> tuple[str, ...]:
        """All paths"""
        return (self.path,) if isinstance(self.path, str) else self.path

    def build(self, context: Context) -> FileSource:
        return FileSource(self, context.clock)


class FileSource(AudioSource):
    """Gives file after file; one that cannot be read is a bad record, and the next one follows."""

    def __init__(self, config: FileSourceConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._closed = threading.Event()
        self._left = "nothing was read"
        self._behind = ""

    def frames(self) -> Iterator[SourceItem]:
        found = find_files(self._config.given)
        paths = found.paths
        if found.left_out:
            log.info("files_left_out", count=len(found.left_out), kinds=", ".join(found.kinds_left_out))
        if self._config.stream_id is not None and len(paths) > 1:
            raise SourceError(f"stream_id {self._config.stream_id!r} stands for {len(paths)} files; leave it out")
        for number, path in enumerate(paths, start=1):
            self._behind = (
                f"; {len(paths) - number} of {len(paths)} files were not begun" if number < len(paths) else ""
            )
            self._left = f"{path} was not begun{self._behind}"
            stream = Stream(self._config.stream_id or stream_of(path), live=self._config.live)
            yield from self._file(Path(path), stream)
            if self._closed.is_set():
                return
            yield StreamEnd(stream)
        self._left = ""

    def left(self) -> str:
        """See `Source.left`."""
        return self._left

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
            time = TimeMap(0, self._config.start.of_file(path, self._clock), file.sample_rate)
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
                heard = f"{first_sample / file.sample_rate:.1f} of {file.duration_s:.1f} s"
                self._left = f"{path} was heard up to {heard}{self._behind}"
        finally:
            file.close()

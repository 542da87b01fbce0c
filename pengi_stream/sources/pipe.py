"""Audio on stdin: raw PCM, or a WAV that is still being written."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from pengi_stream.audio.headers import header_in, is_undecided
from pengi_stream.audio.pcm import AudioFormat, decode_pcm
from pengi_stream.audio.wav import WavHeader, parse_wav_header
from pengi_stream.clock import Clock, rfc3339
from pengi_stream.errors import AudioError, SourceError
from pengi_stream.plugins import SourceConfig
from pengi_stream.protocols import AudioSource, Context
from pengi_stream.sources.times import EPOCH, NOW, PipeStartsAt, pipe_start_ns
from pengi_stream.types import BadRecord, Frame, SourceItem, Stream, StreamEnd, TimeMap

STDIN = 0
FRAMES_PER_S = 10
READ_BYTES = 1 << 16
MAX_HEADER_BYTES = 1 << 16


class PipeSourceConfig(SourceConfig):
    """Raw PCM or WAV on stdin: ffmpeg -i ... -f s16le - | pengi-stream run ..."""

    type: Literal["pipe"]
    audio: AudioFormat | None = None
    """How raw PCM is encoded; null: a WAV header says it"""
    starts_at: PipeStartsAt | None = None
    """Default: 1970, so that times read as offsets; `now` where it is live"""
    ends: bool = False
    """A live pipe that ends is a fault, unless this says that it may"""
    stream_id: str = "stdin"

    def build(self, context: Context) -> PipeSource:
        return PipeSource(self, STDIN, context.clock)


class PipeSource(AudioSource):
    """Reads a file descriptor to its end; the frames do not depend on the pieces in which bytes arrive."""

    def __init__(self, config: PipeSourceConfig, fd: int, clock: Clock) -> None:
        self._config = config
        self._fd = fd
        self._clock = clock
        self._stream = Stream(config.stream_id, live=config.live)
        self._buffer = bytearray()
        self._ended = False
        self._whole = False
        self._heard_s = 0.0
        self._closed = threading.Event()
        self._wake_read, self._wake_write = os.pipe()

    def frames(self) -> Iterator[SourceItem]:
        header = self._header()
        if header is None:
            return
        starts_at = self._config.starts_at or (NOW if self._config.live else EPOCH)
        start_ns = pipe_start_ns(starts_at, self._clock)
        if starts_at == NOW:  # what comes next time is other audio, and has other ids
            self._stream = replace(self._stream, session=rfc3339(start_ns))
        time = TimeMap(0, start_ns, header.audio.sample_rate)
        yield from self._pcm(header, time)
        if self._closed.is_set():
            return
        self._whole = True
        yield StreamEnd(self._stream)
        self._check_end()

    def left(self) -> str:
        """See `Source.left`; a live pipe has no end."""
        return "" if self._whole or self._config.live else f"{self._stream.id} was heard up to {self._heard_s:.1f} s"

    def close(self) -> None:
        if not self._closed.is_set():
            self._closed.set()
            os.write(self._wake_write, b"\0")

    def _check_end(self) -> None:
        """Raises SourceError where this is no way for a pipe to end."""
        if not self._heard_s:
            raise SourceError(f"{self._stream.id}: ended without a sample; see what its writer says")
        if self._config.live and not self._config.ends:
            advice = "see what its writer says, or set `ends: true` where it may"
            raise SourceError(f"{self._stream.id}: ended, though it is live; {advice}")

    def _header(self) -> WavHeader | None:
        """How the audio is encoded; None when closed before that was known. Raises SourceError."""
        if self._config.audio is not None:
            return self._raw(self._config.audio)
        while True:
            try:
                parsed = parse_wav_header(self._buffer)
            except AudioError as error:
                raise SourceError(f"{self._stream.id}: {error}; {self._mend()}") from error
            if parsed is not None:
                header, length = parsed
                del self._buffer[:length]
                return header
            if self._ended or len(self._buffer) > MAX_HEADER_BYTES:
                raise SourceError(f"{self._stream.id}: found no audio, expected a WAV header, or set `audio: {{...}}`")
            if not self._read():
                return None

    def _raw(self, audio: AudioFormat) -> WavHeader | None:
        """Samples as `audio` says, once it is sure that they are no file; None when closed before."""
        while is_undecided(self._buffer) and not self._ended:
            if not self._read():
                return None
        if kind := header_in(self._buffer):
            raise SourceError(f"{self._stream.id}: found {kind} where `audio` says {audio.encoding}; {self._mend()}")
        return WavHeader(audio, None)

    def _mend(self) -> str:
        """What to do about what came through the pipe."""
        audio, kind = self._config.audio, header_in(self._buffer)
        if kind == "WAV":
            return "leave `audio` out, the header says it all"
        if kind is None:
            return "say what raw audio is: `audio: {...}`"
        form = f"-f {audio.encoding} -ac {audio.channels} -ar {audio.sample_rate}" if audio else "-f wav"
        return f"decode it: ffmpeg -loglevel error -i FILE {form} - | pengi-stream run ..."

    def _pcm(self, header: WavHeader, time: TimeMap) -> Iterator[Frame | BadRecord]:
        audio = header.audio
        block_bytes = audio.sample_rate // FRAMES_PER_S * audio.frame_bytes
        left = header.data_bytes
        first_sample = 0
        while left is None or left > 0:
            wanted = block_bytes if left is None else min(block_bytes, left)
            while len(self._buffer) < wanted and not self._ended:
                if not self._read():
                    return
            block = bytes(self._buffer[:wanted])
            del self._buffer[: len(block)]
            torn = len(block) % audio.frame_bytes
            samples = decode_pcm(block[: len(block) - torn], audio)
            if len(samples):
                yield Frame(self._stream, first_sample, samples, audio.sample_rate, time)
                first_sample += len(samples)
                self._heard_s = first_sample / audio.sample_rate
            if torn or len(block) < wanted:
                yield from self._ending(torn, left, len(block), time.at(first_sample))
                return
            left = None if left is None else left - wanted

    def _ending(self, torn: int, left: int | None, got: int, time_ns: int) -> Iterator[BadRecord]:
        if torn:
            reason = f"{self._stream.id}: dropped {torn} byte(s) of a torn last sample"
            yield BadRecord(self._stream, reason, time_ns=time_ns)
        elif left is not None:
            reason = f"{self._stream.id}: truncated: its header promises {left - got} byte(s) more"
            yield BadRecord(self._stream, reason, time_ns=time_ns)

    def _read(self) -> bool:
        """Wait for bytes or the end of the pipe; False when closed meanwhile."""
        select.select([self._fd, self._wake_read], [], [])
        if self._closed.is_set():
            return False
        try:
            data = os.read(self._fd, READ_BYTES)
        except OSError as error:
            raise SourceError(f"{self._stream.id}: cannot be read: {error.strerror}") from error
        self._buffer += data
        self._ended = not data
        return True

"""Audio as users have it, arrays and files -> windows, cut as a pipeline cuts them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pengi_stream.audio.decode import AudioFile
from pengi_stream.audio.pcm import LOUDEST, MAX_SAMPLE_RATE, MIN_SAMPLE_RATE
from pengi_stream.engine.segment import WindowSpec
from pengi_stream.engine.windower import Windower
from pengi_stream.errors import AudioError
from pengi_stream.types import BadRecord, Frame, Samples, SourceItem, Stream, StreamEnd, TimeMap, Window

AudioInput = NDArray[np.floating[Any]] | str | Path
"""Samples, (time,) or (time, channels), in [-1, 1]; or the path of a file"""

Audio = AudioInput | Sequence[AudioInput]
"""One recording, or a batch of them"""

MAX_CHANNELS = 256


def recordings(audio: Audio) -> list[AudioInput]:
    """The batch; one recording is a batch of one. Raises AudioError where there is none."""
    batch = [audio] if isinstance(audio, (str, Path, np.ndarray)) or not isinstance(audio, Iterable) else list(audio)
    if not batch:
        raise AudioError("found no audio, expected an array, a path, or a list of these")
    return batch


def windows_of(recording: AudioInput, index: int, sample_rate: int | None, spec: WindowSpec) -> Iterator[Window]:
    """The windows of one recording, its tail repeated; `index` names it in errors, `sample_rate` is an array's, in Hz.

    Reads files as it goes. Raises AudioError."""
    windower = Windower(spec)
    for item in _items(recording, index, sample_rate):
        for cut in windower.push(item, now_s=0.0):
            if isinstance(cut, BadRecord):
                raise AudioError(cut.reason)
            if isinstance(cut, Window):
                yield cut


def _items(recording: AudioInput, index: int, sample_rate: int | None) -> Iterator[SourceItem]:
    stream = Stream(str(recording) if isinstance(recording, (str, Path)) else f"audio {index}")
    if isinstance(recording, (str, Path)):
        file = AudioFile(Path(recording))
        try:
            yield from _frames(stream, file.blocks(file.sample_rate), file.sample_rate)
        finally:
            file.close()
    else:
        rate = _checked_rate(stream.id, sample_rate)
        samples = _checked(stream.id, recording)
        seconds = (samples[start : start + rate] for start in range(0, len(samples), rate))
        yield from _frames(stream, seconds, rate)
    yield StreamEnd(stream)


def _frames(stream: Stream, blocks: Iterator[Samples], sample_rate: int) -> Iterator[Frame]:
    first_sample = 0
    for block in blocks:
        yield Frame(stream, first_sample, block, sample_rate, TimeMap(0, 0, sample_rate))
        first_sample += len(block)


def _checked_rate(name: str, sample_rate: int | None) -> int:
    if sample_rate is None:
        raise AudioError(f"{name}: found an array without its sample rate; give sample_rate= in Hz")
    if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE or sample_rate != int(sample_rate):
        raise AudioError(f"{name}: found sample_rate={sample_rate}, expected {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz")
    return int(sample_rate)


def _checked(name: str, recording: object) -> Samples:
    """Samples (time, channels)."""
    if not isinstance(recording, np.ndarray):
        raise AudioError(f"{name}: found a {type(recording).__name__}, expected a numpy array or a path")
    if not np.issubdtype(recording.dtype, np.floating):
        raise AudioError(f"{name}: found samples of type {recording.dtype}, expected floats in [-1, 1]")
    if recording.ndim not in {1, 2} or recording.size == 0:
        raise AudioError(f"{name}: found the shape {recording.shape}, expected samples (time,) or (time, channels)")
    if recording.ndim == 2 and recording.shape[1] > MAX_CHANNELS:
        raise AudioError(f"{name}: found the shape {recording.shape}, expected (time, channels); transpose it")
    peak = np.max(np.abs(recording), where=np.isfinite(recording), initial=0)
    if peak > LOUDEST:
        raise AudioError(
            f"{name}: found samples up to {peak:g}, expected floats in [-1, 1]; divide integers of 16 bits by 32768"
        )
    return np.asarray(recording, np.float32).reshape(len(recording), -1)

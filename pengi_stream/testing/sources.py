"""The contract of AudioSource."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from pengi_stream.protocols import AudioSource
from pengi_stream.testing.task import Task
from pengi_stream.types import BadRecord, Frame, Gap, Position, SourceItem, StreamEnd


def check_source(
    source: AudioSource, *, close_after: int | None = None, timeout_s: float = 30.0
) -> Sequence[SourceItem]:
    """Read `source` to its end and check the contract of AudioSource; returns its items.

    `close_after` is for a source that does not end: it is closed once it has given so many items.
    """
    items: list[SourceItem] = []
    enough = threading.Event()

    def read() -> None:
        try:
            for item in source.frames():
                items.append(item)
                if len(items) == close_after:
                    enough.set()
        finally:
            enough.set()

    reading = Task([("frames()" if close_after is None else "frames() of a closed source", read)])
    enough.wait(timeout_s)
    if close_after is not None:
        source.close()
    reading.join(timeout_s)
    _check_items(items, whole=close_after is None)
    source.commit(Position("none", 0))
    source.close()
    source.close()
    return items


def _check_items(items: Sequence[SourceItem], *, whole: bool) -> None:
    streams: dict[str, _Heard] = {}
    for item in items:
        assert isinstance(item, SourceItem), f"frames() gave a {type(item).__name__}, which is no SourceItem"
        assert item.stream.id, f"a {type(item).__name__} carries a stream without an id"
        streams.setdefault(item.stream.id, _Heard()).check(item)
    for name, heard in streams.items():
        assert heard.ended or not heard.audio or not whole, f"stream {name!r} has no StreamEnd"


class _Heard:
    """What a stream has given so far."""

    def __init__(self) -> None:
        self.audio = False
        self.ended = False
        self._end: tuple[int, int] | None = None  # sample rate, sample
        self._ns = 0

    def check(self, item: SourceItem) -> None:
        name = repr(item.stream.id)
        assert not self.ended, f"stream {name} goes on after its StreamEnd with a {type(item).__name__}"
        match item:
            case Frame():
                _check_samples(item)
                self._check_order(item, name)
            case Gap():
                assert item.missing_samples > 0, f"a gap of stream {name} misses {item.missing_samples} samples"
                self._check_order(item, name)
            case BadRecord():
                assert item.reason, f"a bad record of stream {name} gives no reason"
                assert "\n" not in item.reason, f"the reason {item.reason!r} is not one line"
            case StreamEnd():
                self.ended = True

    def _check_order(self, item: Frame | Gap, name: str) -> None:
        assert item.sample_rate > 0, f"stream {name} has a sample rate of {item.sample_rate} Hz"
        if self._end is not None and self._end[0] == item.sample_rate:
            end = self._end[1]
            assert item.first_sample >= end, f"stream {name} goes back to sample {item.first_sample} from {end}"
            ns = item.time.at(item.first_sample)
            assert ns >= self._ns, f"the time of stream {name} goes back by {self._ns - ns} ns"
        self.audio = True
        self._end = (item.sample_rate, item.end_sample)
        self._ns = item.time.at(item.first_sample)


def _check_samples(frame: Frame) -> None:
    samples = frame.samples
    assert samples.dtype == np.float32, f"samples are {samples.dtype}, expected float32"
    assert samples.ndim == 2, f"samples have the shape {samples.shape}, expected (time, channels)"
    assert samples.shape[1] > 0, "samples have no channel"

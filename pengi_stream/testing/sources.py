"""The contracts of AudioSource and WindowSource."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from pengi_stream.clock import Deadline
from pengi_stream.outcomes import WindowItem
from pengi_stream.plugins import SourceConfig, WindowSourceConfig
from pengi_stream.protocols import AudioSource, Context, Source, WindowSource
from pengi_stream.testing.doubles import context
from pengi_stream.testing.task import Task
from pengi_stream.types import BadRecord, CommitPosition, Frame, Gap, Resumed, Revoked, SourceItem, StreamEnd

T = TypeVar("T")


def check_source(
    config: SourceConfig, *, close_after: int | None = None, timeout_s: float = 30.0, within: Context | None = None
) -> Sequence[SourceItem]:
    """Build `config`, read it to its end and check the contract of AudioSource; returns its items.

    `close_after` is for a source that does not end: it is closed once it has given so many items.
    """
    source = config.build(within or context())
    match source:
        case AudioSource():
            items = _read(source, source.frames, close_after, timeout_s)
        case _:
            raise AssertionError(f"build() gave a {type(source).__name__}, expected an AudioSource")
    _check_items(items, whole=close_after is None)
    return items


def check_window_source(
    config: WindowSourceConfig,
    *,
    close_after: int | None = None,
    timeout_s: float = 30.0,
    within: Context | None = None,
) -> Sequence[WindowItem | Resumed | Revoked]:
    """As `check_source`, of a WindowSource."""
    source = config.build(within or context())
    match source:
        case WindowSource():
            return _read(source, source.windows, close_after, timeout_s)
    raise AssertionError(f"build() gave a {type(source).__name__}, expected a WindowSource")


def _read(source: Source, give: Callable[[], Iterator[T]], close_after: int | None, timeout_s: float) -> list[T]:
    items: list[T] = []
    enough = threading.Event()

    def read() -> None:
        try:
            for item in give():
                items.append(item)
                if len(items) == close_after:
                    enough.set()
        finally:
            enough.set()

    reading = Task([("what it gives" if close_after is None else "what it gives when it is closed", read)])
    enough.wait(timeout_s)
    if close_after is not None:
        source.close()
    reading.join(timeout_s)
    source.commit(CommitPosition("none", 0))
    source.close()
    source.close()
    source.finish(Deadline(timeout_s))
    assert source.status().state, "status() says nothing"
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

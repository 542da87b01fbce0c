"""Many feeds as one source, at next to no cost: each is a place in one recording."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pengi_stream.clock import Clock, SystemClock
from pengi_stream.lab.bench.sound import SOFTEST, Sound
from pengi_stream.protocols import AudioSource
from pengi_stream.types import NS_PER_S, Frame, Samples, SourceItem, Stream, StreamEnd, TimeMap

FRAME_S = 0.1
BURST_S = 0.005
"""Frames that are due within so long are given together, when the last of them is"""


@dataclass(frozen=True, slots=True)
class Feed:
    """One microphone that is not there."""

    stream: Stream
    phase_s: float
    """Seconds after the first one at which it begins"""
    offset: int
    """Its first sample in the recording"""
    gain: float
    """Its own, so that no two feeds ever have the same samples"""

    def piece(self, sound: Sound, first: int, count: int) -> Samples:
        """`count` samples from its own sample `first` on."""
        return sound.piece(self.offset + first, count, self.gain)


def random_feeds(
    count: int, sound: Sound, seed: Sequence[int], *, within_s: float = 0.0, live: bool = False
) -> list[Feed]:
    """`count` feeds that begin within `within_s` seconds; the same for the same seed."""
    random = np.random.default_rng(seed)
    phases, gains = random.uniform(0, within_s, count), random.uniform(SOFTEST, 1, count)
    offsets = random.integers(len(sound.samples), size=count)
    name = "-".join(map(str, seed))
    return [
        Feed(Stream(f"feed-{name}-{number}", live=live), float(phase), int(offset), float(gain))
        for number, (phase, offset, gain) in enumerate(zip(phases, offsets, gains, strict=True))
    ]


class FeedSource(AudioSource):
    """The frames of all feeds, as they are due by the clock, or else as fast as they are taken."""

    def __init__(
        self, sound: Sound, feeds: Sequence[Feed], samples: int, *, realtime: bool, clock: Clock | None = None
    ) -> None:
        """`samples` of a feed that begins at once, rounded up to whole frames; all end at the same time."""
        self._sound = sound
        self._feeds = feeds
        self._realtime = realtime
        self._size = round(FRAME_S * sound.sample_rate)
        self._ticks = -(-samples // self._size)
        self._clock = clock or SystemClock()
        self._closed = threading.Event()

    def frames(self) -> Iterator[SourceItem]:
        """See `AudioSource.frames`."""
        began_s, began_ns, rate = self._clock.monotonic_s(), self._clock.utc_ns(), self._sound.sample_rate
        feeds = [(feed, *divmod(feed.phase_s, FRAME_S)) for feed in self._feeds]
        feeds.sort(key=lambda each: each[2])
        times = {feed: TimeMap(0, began_ns + round(feed.phase_s * NS_PER_S), rate) for feed in self._feeds}
        for tick in range(self._ticks):
            for feed, late_ticks, late_s in feeds:
                if tick < late_ticks:
                    continue
                if self._realtime:
                    self._wait_until(began_s + (tick + 1) * FRAME_S + late_s)
                if self._closed.is_set():
                    return
                first = (tick - int(late_ticks)) * self._size
                samples = feed.piece(self._sound, first, self._size)
                yield Frame(feed.stream, first, samples[:, None], rate, times[feed])
        for feed in self._feeds:
            yield StreamEnd(feed.stream)

    def close(self) -> None:
        """See `AudioSource.close`."""
        self._closed.set()

    def _wait_until(self, due_s: float) -> None:
        """Sleeping for each of thousands of frames a second would cost more than the frames."""
        wait_s = due_s - self._clock.monotonic_s()
        if wait_s > 0:
            self._closed.wait(wait_s + BURST_S)

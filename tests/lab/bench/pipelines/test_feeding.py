"""The feeds of a benchmark: real frames, as an ordinary source gives them."""

from __future__ import annotations

import numpy as np
import pytest
from given import GivenSource

from pengi_stream.clock import SystemClock
from pengi_stream.lab.bench.pipelines.feeding import FRAME_S, FeedSource, random_feeds
from pengi_stream.lab.bench.sound import Sound, load_sound
from pengi_stream.testing import check_source
from pengi_stream.types import NS_PER_S, Frame, StreamEnd

RATE = 8_000


@pytest.fixture(scope="module")
def sound() -> Sound:
    return load_sound(None, RATE)


@pytest.mark.parametrize("realtime", [False, True])
def test_feeds_keep_the_contract_of_a_source(sound: Sound, realtime: bool) -> None:
    source = FeedSource(sound, random_feeds(3, sound, (1,), within_s=0.2), RATE // 2, realtime=realtime)
    check_source(GivenSource(part=source))


def test_every_feed_is_heard_whole_from_its_own_place_of_the_recording(sound: Sound) -> None:
    feeds = random_feeds(4, sound, (5,))
    items = list(FeedSource(sound, feeds, 2 * RATE, realtime=False).frames())
    heard = []
    for feed in feeds:
        frames = [item for item in items if isinstance(item, Frame) and item.stream == feed.stream]
        samples = np.concatenate([frame.samples[:, 0] for frame in frames])
        assert np.array_equal(samples, feed.piece(sound, 0, 2 * RATE))
        assert [frame.first_sample for frame in frames] == list(range(0, 2 * RATE, round(FRAME_S * RATE)))
        heard.append(samples.tobytes())
    assert len(set(heard)) == 4
    assert sum(isinstance(item, StreamEnd) for item in items) == 4


def test_a_recording_begins_anew_at_its_end() -> None:
    sound = Sound(np.arange(10, dtype=np.float32), RATE)
    assert sound.piece(8, 5).tolist() == [8, 9, 0, 1, 2]
    assert sound.piece(23, 2, gain=2).tolist() == [6, 8]


def test_in_real_time_no_frame_comes_before_its_last_sample_and_its_time_says_when_that_was(sound: Sound) -> None:
    clock = SystemClock()
    feeds = random_feeds(5, sound, (2,), within_s=0.3, live=True)
    frames = 0
    for item in FeedSource(sound, feeds, RATE // 2, realtime=True).frames():
        if isinstance(item, Frame):
            late_ns = clock.utc_ns() - item.time.at(item.end_sample)
            assert -0.02 * NS_PER_S < late_ns < NS_PER_S
            frames += 1
    assert 5 * 2 <= frames < 5 * 5  # those that begin late have fewer


def test_the_same_seed_gives_the_same_feeds_at_phases_that_differ(sound: Sound) -> None:
    feeds = random_feeds(50, sound, (3, 1), within_s=3.36)
    assert feeds == random_feeds(50, sound, (3, 1), within_s=3.36)
    assert feeds != random_feeds(50, sound, (3, 2), within_s=3.36)
    assert max(feed.phase_s for feed in feeds) - min(feed.phase_s for feed in feeds) > 2
    assert {feed.phase_s for feed in random_feeds(50, sound, (3, 1))} == {0.0}

"""The search for the largest number of feeds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pengi_stream.cli.app import app
from pengi_stream.config import BatchConfig
from pengi_stream.engine.segment import WindowSpec
from pengi_stream.errors import ConfigError
from pengi_stream.lab.bench.pipelines.feeds import FeedTrial, Sweep, largest, sweep
from pengi_stream.lab.bench.pipelines.piped import Asked
from pengi_stream.lab.bench.sound import load_sound
from pengi_stream.models.fake import FakeModel
from pengi_stream.options import Prompt
from pengi_stream.types import Batch, Generation

RATE = 8_000


class Crowded(FakeModel):
    """Refuses all windows once it has heard more than so many streams of one trial."""

    def __init__(self, most: int) -> None:
        super().__init__(RATE, RATE // 2)
        self._most = most

    def generate(self, batch: Batch) -> list[Generation]:
        feeds = int(batch.requests[0].stream.id.split("-")[1])  # the trial's own number of feeds
        answers = super().generate(batch)
        return answers if feeds <= self._most else [replace(answer, confidence=0.0) for answer in answers]


@given(limit=st.integers(0, 2_000), start=st.integers(1, 300), step=st.integers(1, 50))
def test_the_search_finds_the_limit_to_within_its_step(limit: int, start: int, step: int) -> None:
    tried: list[int] = []

    def passes(feeds: int) -> bool:
        tried.append(feeds)
        return feeds <= limit

    found = largest(passes, start, step)
    assert found <= limit < found + step or limit == found
    assert len(tried) == len(set(tried)) < 30
    assert found == 0 or found in tried


def _plan(most: int, p95_s: float) -> Sweep:
    windows = WindowSpec(RATE, RATE // 2, RATE // 5, "drop")
    prompt = Prompt("caption", "what", threshold=0.001)
    asked = Asked(Crowded(most), windows, (prompt,), BatchConfig(max_wait_s=0))
    return Sweep(asked, load_sound(None, RATE), seconds=1.5, p95_s=p95_s, start=1, step=1, repeats=1)


def test_feeds_are_swept_in_real_time_and_what_was_found_is_tried_again_beside_the_aligned_worst_case() -> None:
    told: list[FeedTrial] = []
    found = sweep(_plan(most=3, p95_s=100), told.append)
    assert [(trial.feeds, trial.in_time) for trial in found.trials] == [(1, True), (2, True), (4, False), (3, True)]
    assert found.feeds == 3
    assert told == [*found.trials, *found.random, *found.aligned]
    assert [(trial.feeds, trial.phases) for trial in told[4:]] == [(3, "random"), (3, "aligned")]
    for trial in told[4:]:
        assert trial.windows == pytest.approx(
            3 * 3, abs=3
        )  # three feeds, a window each 0.2 s, 0.6 s behind the warm-up
        assert trial.latency is not None
        assert 0 < trial.latency.p50_s <= trial.latency.p95_s
        assert sum(trial.batch_sizes.values()) > 0
        assert trial.shed == 0


def test_no_number_is_found_where_one_feed_is_too_late() -> None:
    found = sweep(_plan(most=3, p95_s=1e-6), lambda _: None)
    assert (found.feeds, len(found.trials), found.random, found.aligned) == (0, 1, (), ())


def test_a_trial_that_would_be_all_warm_up_is_refused() -> None:
    said = CliRunner().invoke(app, ["bench", "feeds", "--model", "fake", "--hop-s", "0.5", "--seconds", "6"])
    assert isinstance(said.exception, ConfigError)
    assert "--seconds 6: the first 6.0 s warm up" in str(said.exception)


def test_a_recording_that_is_not_there_is_told() -> None:
    said = CliRunner().invoke(app, ["bench", "feeds", "--model", "fake", "--sound", "nowhere.wav"])
    assert "nowhere.wav" in str(said.exception)

"""What is measured, and by which words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pengi_stream.errors import ConfigError
from pengi_stream.evaluation.proportion import Proportion
from pengi_stream.training.__main__ import app
from pengi_stream.training.evaluate_clips import read_held_out
from pengi_stream.training.evaluate_words import Dictionary, words_of


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("dog/a.wav", "rain/b.wav"):
        (tmp_path / name).parent.mkdir()
        soundfile.write(tmp_path / name, rng.normal(0, 0.1, 16_000), 16_000)
    return tmp_path


def test_a_text_is_right_by_whole_words_of_the_label_and_not_by_words_that_contain_them() -> None:
    rain = Dictionary().look_up("rain")
    assert rain.name("Rain falls on a roof")
    assert not rain.name("a train passes")


def test_an_answer_that_names_only_the_kind_is_not_right_but_counts_as_the_kind() -> None:
    dog = Dictionary().look_up("dog barking")
    assert not dog.name("an animal is heard")
    assert dog.name_kind("an animal is heard")


def test_a_label_outside_the_list_is_right_by_the_keywords_of_its_sound() -> None:
    assert Dictionary().look_up("drill").name("someone is drilling")
    assert not Dictionary().look_up("drill").name("a saw runs")


def test_a_label_that_is_no_known_sound_is_right_by_its_own_words() -> None:
    assert Dictionary().look_up("flux capacitor").name("the flux capacitor hums")


def test_a_star_stands_for_all_words_that_begin_so() -> None:
    assert words_of(["bark*"]).name("two dogs are barking")
    assert not words_of(["bark"]).name("two dogs are barking")


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_contains_the_share_and_stays_within_0_and_1(counts: tuple[int, int]) -> None:
    figure = Proportion(*counts)
    low, high = figure.interval
    assert 0 <= low <= figure.share + 1e-9
    assert figure.share - 1e-9 <= high <= 1


def test_the_interval_is_wilsons() -> None:
    low, high = Proportion(78, 80).interval  # as scipy.stats.binomtest gives it
    assert (round(low, 3), round(high, 3)) == (0.913, 0.993)


def test_a_folder_with_a_folder_for_each_label_is_read(clips: Path) -> None:
    assert [clip.label for clip in read_held_out(clips)] == ["dog", "rain"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\nx.wav,dog\n", "found the columns file,label, expected path,label"),
        ("path,label\nx.wav,dog\n", "line 2: there is no file"),
        ("path,label\ndog/a.wav,\n", "line 2: the label is empty"),
        ("path,label\n", "has no clips"),
    ],
)
def test_a_csv_file_that_cannot_be_used_says_in_one_line_why(clips: Path, text: str, message: str) -> None:
    (clips / "clips.csv").write_text(text)
    with pytest.raises(ConfigError, match=message) as raised:
        read_held_out(clips / "clips.csv")
    assert "\n" not in str(raised.value)


def test_the_command_measures_a_users_clips_and_prints_json(clips: Path) -> None:
    (clips / "clips.csv").write_text("path,label,words\ndog/a.wav,dog,\nrain/b.wav,hiss,hiss* noise static\n")
    result = CliRunner().invoke(app, ["evaluate", "--clips", str(clips / "clips.csv"), "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["clips"] == 2
    assert report["figures"]["question: is there, majority answer"]["right"] == 2
    for name in ("captions", "events", "ranked first of 2", "YAMNet's top 1", "question: what"):
        assert 0 <= report["figures"][name]["right"] <= report["figures"][name]["of"] == 2

"""`pengi-stream evaluate clips`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from pengi_stream.cli.app import app
from pengi_stream.errors import ConfigError
from pengi_stream.lab.evaluation.held_out.clips import read_held_out


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("dog/a.wav", "rain/b.wav"):
        (tmp_path / name).parent.mkdir()
        soundfile.write(tmp_path / name, rng.normal(0, 0.1, 16_000), 16_000)
    return tmp_path


def test_a_folder_with_a_folder_for_each_label_is_read(clips: Path) -> None:
    assert [clip.label for clip in read_held_out(clips)] == ["dog", "rain"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\nx.wav,dog\n", "found the columns file,label, expected path,label"),
        ("path,label\nx.wav,dog\n", "line 2: there is no file"),
        ("path,label\ndog/a.wav,\n", "line 2: the label is empty"),
        ("path,label\n", "found no rows"),
    ],
)
def test_a_csv_file_that_cannot_be_used_says_in_one_line_why(clips: Path, text: str, message: str) -> None:
    (clips / "clips.csv").write_text(text)
    with pytest.raises(ConfigError, match=message) as raised:
        read_held_out(clips / "clips.csv")
    assert "\n" not in str(raised.value)


def test_the_command_measures_a_users_clips_and_prints_json(clips: Path) -> None:
    (clips / "clips.csv").write_text("path,label,words\ndog/a.wav,dog,\nrain/b.wav,hiss,hiss* noise static\n")
    result = CliRunner().invoke(app, ["evaluate", "clips", "--clips", str(clips / "clips.csv"), "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["clips"] == 2
    assert report["figures"]["question: is there, majority answer"]["right"] == 2
    for name in ("captions", "events", "ranked first of 2", "YAMNet's top 1", "question: what"):
        assert 0 <= report["figures"][name]["right"] <= report["figures"][name]["count"] == 2

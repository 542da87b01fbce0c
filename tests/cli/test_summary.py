"""At the end, a line says what was done, and silence is no riddle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from support import tone
from typer.testing import CliRunner

from pengi_stream.cli.app import app
from pengi_stream.cli.summary import duration


def captioned(*arguments: str) -> tuple[str, str, Exception | None]:
    """What `caption` says on stdout and stderr, with the fake model."""
    ended = CliRunner().invoke(app, ["caption", *arguments, "--model", "fake"])
    return ended.stdout, ended.stderr, ended.exception if isinstance(ended.exception, Exception) else None


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_files_windows_texts_and_what_is_missing_are_summed_up(folder: Path) -> None:
    samples = tone(20)
    samples[160_000:160_100] = np.nan
    soundfile.write("a.wav", samples, 16_000, subtype="FLOAT")
    soundfile.write("b.wav", np.concatenate([tone(5), np.zeros(160_000)]), 16_000)
    _, err, _ = captioned("a.wav", "b.wav", "nothere.wav")
    [line] = [line for line in err.splitlines() if " of sound" in line]
    assert line.startswith("3 files, 35.0 s of sound, ")
    for words in ("windows below the gate", "texts", "0.1 s missing", "2 failed; took"):
        assert words in line


def test_a_recording_below_the_gate_says_so_and_the_gate_can_be_lowered(folder: Path) -> None:
    soundfile.write("quiet.wav", tone(6) / 3_000, 16_000, subtype="FLOAT")
    out, err, _ = captioned("quiet.wav")
    assert not out
    assert "2 windows below the gate" in err
    assert "nothing was loud enough to ask about: --min-dbfs -80" in err
    out, err, _ = captioned("quiet.wav", "--min-dbfs", "-100")
    assert "quiet.wav" in out
    assert "loud enough" not in err


def test_what_lay_in_a_folder_and_is_no_sound_is_counted(folder: Path) -> None:
    soundfile.write("a.wav", tone(6), 16_000)
    for name in ("notes.txt", "cover.jpg"):
        Path(name).write_text("x")
    assert captioned(".")[1].startswith("1 file (2 left out: .jpg, .txt), 6.0 s of sound, ")


def test_quiet_leaves_the_summary_out(folder: Path) -> None:
    soundfile.write("a.wav", tone(6), 16_000)
    assert not captioned("a.wav", "--quiet")[1]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.9, "59.9 s"), (245, "4:05 min"), (7_384, "2:03:04 h"), (86_400, "24:00:00 h")],
)
def test_durations_are_read_at_a_glance(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_one_bad_file_is_one_message_and_the_others_are_heard(folder: Path) -> None:
    soundfile.write("a.wav", tone(6), 16_000)
    Path("b.wav").write_text("no sound")
    out, err, error = captioned("a.wav", "b.wav", "--quiet")
    assert err.splitlines() == ["pengi-stream: b.wav: is no audio that can be read; use wav, flac, ogg or mp3"]
    assert str(error) == "1 of 2 file(s) not heard whole"
    assert "b.wav" not in out


def test_a_file_that_proves_bad_on_the_way_is_named_at_the_end(folder: Path) -> None:
    soundfile.write("a.wav", tone(6), 16_000)
    whole = Path("a.wav").read_bytes()
    Path("a.wav").write_bytes(whole[: len(whole) // 2])
    out, err, error = captioned("a.wav", "--quiet")
    assert not err
    assert str(error).startswith("a.wav: truncated: it ends after 3.00 s")
    assert str(error).endswith("1 of 1 file(s) not heard whole")
    assert "truncated" not in out


def test_what_cannot_be_heard_at_all_is_told_before_a_model_is_loaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pengi_stream.cli.common.build_pipeline", lambda *_: pytest.fail("a model would be loaded"))
    error = captioned("x.wav", "y.wav")[2]
    assert str(error) == "x.wav: there is no such file; nor can 1 other file(s) be heard"

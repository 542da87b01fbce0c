"""A table that makes confidence mean how often such texts are right."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from pengi_stream.errors import ConfigError
from pengi_stream.lab.training.calibration.fit import CAUTION, Sample, cross_fitted, fit
from pengi_stream.lab.training.calibration.picture import draw, proportions
from pengi_stream.lab.training.commands import app
from pengi_stream.models.pengi.checkpoint import load_checkpoint
from pengi_stream.models.pengi.decoding.confidence import Evidence, confidence_of
from pengi_stream.models.pengi.folder import checkpoint_folder


def made(count: int, steepness: float = 1.5) -> list[Sample]:
    """Texts whose chance to be right is a logistic function of the evidence, as the table supposes."""
    rng = np.random.default_rng(0)
    samples = []
    for index in range(count):
        sound = float(rng.normal(0.5, 2))
        chance = 1 / (1 + np.exp(-steepness * sound))
        evidence = Evidence(float(rng.normal()), sound, float(rng.normal()))
        samples.append(Sample("*", f"clip {index}", evidence, bool(rng.random() < chance), 0.99))
    return samples


def test_the_fitted_confidence_is_the_chance_to_be_right_with_wrong_texts_counted_half_as_much_again() -> None:
    [row] = fit(made(4000))
    for sound in (-2.0, 0.0, 2.0):
        odds = np.exp(1.5 * sound) / CAUTION
        assert confidence_of(Evidence(0.0, sound, 0.0), row) == pytest.approx(odds / (1 + odds), abs=0.05)


def test_texts_are_right_at_least_as_often_as_their_confidence_says_on_clips_the_table_was_not_fitted_on() -> None:
    for low, high, found in proportions(cross_fitted(made(4000))):
        if found.of >= 100:
            assert low - 0.03 <= found.share <= high + 0.15


def test_evidence_against_the_truth_is_ignored_rather_than_turned_round() -> None:
    [row] = fit(made(1000, steepness=-1.5))
    assert row.sound == 0


def test_a_handful_of_clips_cannot_make_the_model_sure() -> None:
    always_right = [Sample("*", str(n), Evidence(1.0, 1.0, 1.0), right=True, confidence=0.9) for n in range(5)]
    assert confidence_of(always_right[0].evidence, fit(always_right)[0]) < 0.95


def test_a_single_clip_is_not_enough() -> None:
    with pytest.raises(ConfigError, match="found 1 clip to calibrate on"):
        cross_fitted(made(1))


def test_the_picture_is_a_small_png(tmp_path: Path) -> None:
    draw(cross_fitted(made(300)), tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "curve.png").stat().st_size < 40_000


def test_the_command_writes_a_table_into_a_checkpoint_that_still_loads(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    shutil.copytree(checkpoint_folder("mini"), folder)
    rng = np.random.default_rng(0)
    for name in ("rain/a.wav", "silence/b.wav"):
        (tmp_path / "clips" / name).parent.mkdir(parents=True)
        soundfile.write(tmp_path / "clips" / name, rng.normal(0, 0.1, 16_000), 16_000)

    result = CliRunner().invoke(app, ["calibrate", str(folder), "--clips", str(tmp_path / "clips")])

    assert result.exit_code == 0, result.output
    assert "all: " in result.output
    calibrated = load_checkpoint(str(folder))
    assert [row.prompts for row in calibrated.config.confidence or ()][-1] == "*"
    assert calibrated.checksum != load_checkpoint("mini").checksum

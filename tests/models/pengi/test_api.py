"""Pengi from Python: arrays, files and batches in, typed answers out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import pengi_stream
from pengi_stream.api import DecodingOptions, Model
from pengi_stream.errors import AudioError, ConfigError, ModelError
from pengi_stream.types import Samples

RATE = 16_000
CAPTION, EVENTS = "generate audio caption", "this is a sound of"
SHORT = DecodingOptions(max_new_tokens=6)


@pytest.fixture(scope="module")
def pengi(folder: Path) -> Model:
    return pengi_stream.load_model(folder, device="cpu")


def recording(pengi: Model, windows: float, seed: int = 0) -> Samples:
    """Tones that change, as long as so many windows of the model: (time,)."""
    time = np.arange(round(windows * pengi.window_s * RATE)) / RATE
    rng = np.random.default_rng(seed)
    hertz = 300 + 200 * seed + 100 * np.floor(time / 0.3)
    return (0.3 * np.sin(2 * np.pi * hertz * time) + rng.normal(0, 0.02, len(time))).astype(np.float32)


def test_importing_the_package_does_not_import_torch() -> None:
    code = "import sys, pengi_stream; sys.exit('torch' in sys.modules or 'load_model' not in pengi_stream.__all__)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_answers_name_recording_window_and_prompt_in_this_order(pengi: Model) -> None:
    audio = [recording(pengi, 2), recording(pengi, 1, seed=1)]
    answers = pengi.generate(audio, [CAPTION, EVENTS], SHORT, sample_rate=RATE, hop_s=pengi.window_s)
    window_s = pytest.approx(pengi.window_s)
    assert [(a.audio, a.prompt) for a in answers] == [(index, p) for index in (0, 0, 1) for p in (CAPTION, EVENTS)]
    assert [(a.start_s, a.end_s) for a in answers[::2]] == [
        (0, window_s),
        (window_s, pytest.approx(2 * pengi.window_s)),
        (0, window_s),
    ]
    assert all(0 < a.confidence <= 1 for a in answers)


def test_windows_overlap_by_half_unless_a_hop_is_given(pengi: Model) -> None:
    starts = [a.start_s for a in pengi.generate(recording(pengi, 2), CAPTION, SHORT, sample_rate=RATE)]
    assert starts[0] == 0
    assert np.diff(starts) == pytest.approx(pengi.window_s / 2, abs=0.48)  # on the model's hop grid
    assert len(starts) > 2


def test_a_short_recording_is_repeated_until_it_fills_the_window(pengi: Model) -> None:
    short = recording(pengi, 0.3)
    [answer] = pengi.generate(short, CAPTION, SHORT, sample_rate=RATE)
    [tiled] = pengi.generate(np.resize(short, round(pengi.window_s * RATE)), CAPTION, SHORT, sample_rate=RATE)
    assert answer.text == tiled.text
    assert answer.confidence == pytest.approx(tiled.confidence, abs=1e-5)
    assert answer.end_s == pytest.approx(len(short) / RATE)


def test_a_file_and_an_array_of_it_get_the_same_answers(pengi: Model, tmp_path: Path) -> None:
    samples = np.stack([recording(pengi, 1.5), np.zeros_like(recording(pengi, 1.5))], axis=1)
    path = tmp_path / "stereo.wav"
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    mono = samples.mean(axis=1)
    assert pengi.generate(path, CAPTION, SHORT) == pengi.generate(samples, CAPTION, SHORT, sample_rate=RATE)
    assert pengi.generate(str(path), CAPTION, SHORT) == pengi.generate(mono, CAPTION, SHORT, sample_rate=RATE)


def test_a_batch_gets_the_answers_that_its_recordings_get_alone(pengi: Model) -> None:
    audio = [recording(pengi, 0.5 + seed, seed) for seed in range(4)]
    together = pengi.generate(audio, [CAPTION, EVENTS], SHORT, sample_rate=RATE)
    alone = [a for one in audio for a in pengi.generate(one, [CAPTION, EVENTS], SHORT, sample_rate=RATE)]
    assert [(a.prompt, a.start_s, a.text) for a in together] == [(a.prompt, a.start_s, a.text) for a in alone]
    assert [a.confidence for a in together] == pytest.approx([a.confidence for a in alone], abs=1e-4)
    assert len({a.text for a in together}) > 1


def test_more_prompts_than_a_batch_holds_are_all_answered(pengi: Model) -> None:
    prompts = [f"rain {number}" for number in range(40)]
    answers = pengi.generate(recording(pengi, 1.5), prompts, SHORT, sample_rate=RATE)
    assert [a.prompt for a in answers] == prompts * (len(answers) // len(prompts))
    assert len({a.start_s for a in answers}) * len(prompts) == len(answers)


def test_labels_are_ranked_for_each_window_of_each_recording(pengi: Model) -> None:
    audio, labels = [recording(pengi, 2), recording(pengi, 1, seed=1)], ["a dog barks", "rain"]
    answers = pengi.rank(audio, EVENTS, labels, sample_rate=RATE, hop_s=pengi.window_s)
    assert [(answer.audio, answer.prompt) for answer in answers] == [(0, EVENTS), (0, EVENTS), (1, EVENTS)]
    for answer in answers:
        assert answer.scores is not None
        assert list(answer.scores) == labels
        assert sum(answer.scores.values()) == pytest.approx(1, abs=1e-5)
        assert answer.text == max(answer.scores, key=answer.scores.__getitem__)
        assert answer.confidence == answer.scores[answer.text]
    swapped = pengi.rank(audio, EVENTS, labels[::-1], sample_rate=RATE, hop_s=pengi.window_s)
    assert [answer.scores for answer in swapped] == [pytest.approx(answer.scores, abs=1e-5) for answer in answers]


@pytest.mark.parametrize("labels", [[], None, "rain", ["rain", " "], ["rain", 1], ["rain", "dog", "rain"]])
def test_labels_that_cannot_be_ranked_are_refused(pengi: Model, labels: object) -> None:
    with pytest.raises(ConfigError, match=r"found the labels .*, expected a list of them, none empty and none twice"):
        pengi.rank(recording(pengi, 1), EVENTS, labels, sample_rate=RATE)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (np.full(RATE, np.nan, np.float32), "16000 NaN or infinite"),
        (None, "found a NoneType, expected a numpy array or a path"),
        (np.zeros(0, np.float32), r"the shape \(0,\)"),
        (np.zeros((2, 3, 4), np.float32), r"the shape \(2, 3, 4\)"),
        (np.zeros((2, RATE), np.float32), "transpose it"),
        (np.full(RATE, 3e4, np.float32), r"samples up to 30000, expected floats in \[-1, 1\]; divide integers"),
        (np.zeros(RATE, np.int16), r"int16, expected floats in \[-1, 1\]"),
        ([0.0, 0.1], "found a float, expected a numpy array or a path"),
        ([], "found no audio"),
        ("missing.wav", "missing.wav: there is no such file"),
    ],
    ids=["nan", "None", "empty", "3d", "transposed", "scaled", "integers", "list", "none", "missing"],
)
def test_audio_that_is_none_is_refused_in_one_line(pengi: Model, audio: object, message: str) -> None:
    with pytest.raises(AudioError, match=message) as caught:
        pengi.generate(audio, CAPTION, sample_rate=RATE)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("sample_rate", [None, 0, 1e9])
def test_an_array_needs_its_sample_rate(pengi: Model, sample_rate: int | None) -> None:
    with pytest.raises(AudioError, match="sample_rate"):
        pengi.generate(recording(pengi, 1), CAPTION, sample_rate=sample_rate)


@pytest.mark.parametrize("prompts", ["", " ", [], [CAPTION, ""], 5, None])
def test_an_empty_prompt_is_refused(pengi: Model, prompts: Any) -> None:
    with pytest.raises(ConfigError, match="expected prompts that are not empty"):
        pengi.generate(recording(pengi, 1), prompts, sample_rate=RATE)


def test_a_hop_must_be_a_duration(pengi: Model) -> None:
    with pytest.raises(ConfigError, match="hop_s=0"):
        pengi.generate(recording(pengi, 1), CAPTION, sample_rate=RATE, hop_s=0)


def test_what_cannot_be_loaded_is_named(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ModelError, match="no checkpoint at"):
        pengi_stream.load_model(tmp_path)
    with pytest.raises(ConfigError, match="device='tpu'"):
        pengi_stream.load_model(folder, device="tpu")

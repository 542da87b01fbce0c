"""`pengi-stream evaluate dataset`, from a table to a table."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import pengi_stream
from pengi_stream.api import Answer
from pengi_stream.cli.app import app
from pengi_stream.errors import AudioError, ConfigError, PengiStreamError

RATE = 16_000


class Ears:
    """A stand-in for a model: hears which of three tones is loudest, and says its name."""

    identity = "ears:float32"
    tones: ClassVar = {"low tone": 300, "middle tone": 1_000, "high tone": 3_000}

    def generate(self, audio, prompts, options, *, hop_s):
        return self.rank(audio, prompts, list(self.tones), hop_s=hop_s)

    def rank(self, audio, prompt, labels, *, hop_s):
        return [self._answer(index, path, prompt, labels) for index, path in enumerate(audio)]

    def match(self, audio, prompt, labels, options, *, hop_s):
        return self.rank(audio, prompt, labels, hop_s=hop_s)

    def _answer(self, index, path, prompt, labels):
        try:
            samples, _ = soundfile.read(path)
        except soundfile.SoundFileError as error:
            raise AudioError(f"{path}: is no audio") from error
        spectrum = np.abs(np.fft.rfft(samples))
        loud = {label: spectrum[round(self.tones.get(label, 0) * len(samples) / RATE)] + 1e-9 for label in labels}
        scores = {label: float(value / sum(loud.values())) for label, value in loud.items()}
        best = max(scores, key=scores.__getitem__)
        return Answer(index, 0.0, 1.0, prompt, best, scores[best], scores)


@pytest.fixture
def sounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four recordings of tones: low, middle, high, and low with high."""
    monkeypatch.setattr(pengi_stream, "load_model", lambda model, device, dtype: Ears(), raising=False)
    time = np.arange(RATE) / RATE
    low, middle, high = (0.3 * np.sin(2 * np.pi * hertz * time) for hertz in Ears.tones.values())
    for name, samples in {"a": low, "b": middle, "c": high, "d": low + 0.9 * high}.items():
        soundfile.write(tmp_path / f"{name}.wav", samples, RATE)
    return tmp_path


@pytest.fixture
def evaluate(sounds: Path) -> Callable[..., str]:
    """Runs the command on a table; gives what it printed, or raises what it raised."""

    def run(table: str, *options: str) -> str:
        (sounds / "table.csv").write_text(table)
        arguments = ["evaluate", "dataset", "--dataset", str(sounds / "table.csv"), "--audio", str(sounds), *options]
        result = CliRunner().invoke(app, arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    return run


ONE_LABEL = "path,label\na.wav,low_tone\nb.wav,middle_tone\nc.wav,high_tone\nd.wav,high_tone\n"
MANY_LABELS = "path,labels\na.wav,low tone\nb.wav,middle tone\nc.wav,high tone\nd.wav,low tone;high tone\n"
CAPTIONS = "path,caption_1,caption_2\na.wav,A low tone.,A tone.\nb.wav,A middle tone.,\nd.wav,Two tones at once.,\n"


def test_accuracy_as_a_table(evaluate: Callable[..., str]) -> None:
    printed = evaluate(ONE_LABEL, "--task", "classify")
    assert "accuracy" in printed
    assert "0.750" in printed  # d is louder at the low tone
    assert "0.301 to 0.954" in printed
    assert "3 of 4 recordings" in printed


def test_accuracy_as_json_with_all_that_it_depends_on(evaluate: Callable[..., str]) -> None:
    found = json.loads(evaluate(ONE_LABEL, "--task", "classify", "--json"))
    assert found["metrics"]["accuracy"]["value"] == 0.75
    assert found["by_label"] == {"high tone": 0.5, "low tone": 1.0, "middle tone": 1.0}
    assert (found["model"], found["prompt"], found["way"]) == ("ears:float32", "this is a sound of", "rank")
    assert found["recordings"] == 4


@pytest.mark.parametrize("by", ["rank", "match"])
def test_mean_average_precision(evaluate: Callable[..., str], by: str) -> None:
    found = json.loads(evaluate(MANY_LABELS, "--task", "tags", "--by", by, "--json"))
    assert found["metrics"]["mAP"]["value"] == 1
    assert (found["prompt"], found["way"]) == ("generate metadata", by)


def test_answers_to_questions(evaluate: Callable[..., str], sounds: Path) -> None:
    table = "path,question,label\na.wav,Which is it?,low tone\nb.wav,Is it high?,middle tone\n"
    found = json.loads(evaluate(table, "--task", "question", "--json"))
    assert found["metrics"]["accuracy"]["value"] == 1
    assert found["prompt"] == "question:"


def test_captions(evaluate: Callable[..., str]) -> None:
    pytest.importorskip("aac_metrics", reason="the extra eval is not installed")
    found = json.loads(evaluate(CAPTIONS, "--task", "caption", "--json"))
    assert found["metrics"]["CIDEr-D"]["value"] > 0
    assert found["prompt"] == "generate audio caption"
    assert "--sentence-model" in found["note"]


def test_a_line_for_each_recording(evaluate: Callable[..., str], sounds: Path) -> None:
    path = sounds / "said.csv"
    evaluate(ONE_LABEL, "--task", "classify", "--predictions", str(path))
    with path.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["path"], row["truth"], row["text"], row["right"]) for row in rows] == [
        ("a.wav", "low tone", "low tone", "1"),
        ("b.wav", "middle tone", "middle tone", "1"),
        ("c.wav", "high tone", "high tone", "1"),
        ("d.wav", "high tone", "low tone", "0"),
    ]
    assert rows[0]["best"].startswith("low tone=1.0000; ")


def test_other_columns_another_prompt_and_more_labels(evaluate: Callable[..., str], sounds: Path) -> None:
    (sounds / "labels.txt").write_text("low tone\nmiddle tone\nhigh tone\nnoise\n")
    table = "filename,fold,category\na.wav,1,low_tone\n"
    options = ["--column", "path=filename", "--column", "label=category", "--labels", str(sounds / "labels.txt")]
    found = json.loads(evaluate(table, "--task", "scene", *options, "--prompt", "I hear", "--json"))
    assert found["metrics"]["accuracy"]["value"] == 1
    assert found["prompt"] == "I hear"


def test_a_recording_that_cannot_be_read_fails_the_command_after_the_rest_is_measured(
    evaluate: Callable[..., str], sounds: Path
) -> None:
    (sounds / "a.wav").write_text("no audio")
    path = sounds / "said.csv"
    with pytest.raises(PengiStreamError, match=r"1 of 4 recordings could not be heard: .*a\.wav"):
        evaluate(ONE_LABEL, "--task", "classify", "--predictions", str(path))
    assert len(path.read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (ONE_LABEL, ["--task", "clasify"], "--task clasify: did you mean 'classify'?"),
        (ONE_LABEL, ["--task", "caption"], "--task caption needs captions; the data set has label"),
        (ONE_LABEL, ["--task", "question"], "--task question needs questions and label"),
        (CAPTIONS, ["--task", "tags"], "--task tags needs label or labels; the data set has captions"),
        (ONE_LABEL, ["--task", "scene", "--column", "name"], "--column name: expected NAME=COLUMN"),
        (ONE_LABEL, ["--task", "scene", "--column", "file=path"], "with a NAME of path, label"),
        (ONE_LABEL, ["--task", "scene", "--predictions", "nowhere/x.csv"], "there is no folder nowhere"),
        (ONE_LABEL, ["--task", "scene", "--labels", "nowhere.txt"], "nowhere.txt: cannot be read"),
    ],
)
def test_wrong_usage_is_named_before_any_work(
    evaluate: Callable[..., str], table: str, options: list[str], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        evaluate(table, *options)
    assert message in str(caught.value)


def test_labels_of_the_data_set_that_are_not_among_the_choices_are_named(
    evaluate: Callable[..., str], sounds: Path
) -> None:
    (sounds / "labels.txt").write_text("low tone\nmiddle tone\n")
    with pytest.raises(ConfigError, match="1 labels that are not in it: 'high tone'"):
        evaluate(ONE_LABEL, "--task", "classify", "--labels", str(sounds / "labels.txt"))

"""Timing a user's checkout of the published code, against a stand-in of the same interface."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pengi_stream.cli.app import app
from pengi_stream.errors import ConfigError, PengiStreamError

STAND_IN = """
import json
import soundfile
from importlib.resources import files

class PengiWrapper:
    def __init__(self, config, use_cuda=False):
        print("loading", config)
        assert files("configs").joinpath(config + ".yml").is_file() and not use_cuda
        self.asked = open("asked.jsonl", "a")

    def generate(
        self, audio_paths, text_prompts, add_texts, max_len, beam_size, temperature, stop_token, audio_resample=True
    ):
        print("generating")
        samples, rate = soundfile.read(audio_paths[0])
        asked = [len(samples), rate, text_prompts, add_texts, max_len, beam_size, stop_token]
        print(json.dumps(asked), file=self.asked, flush=True)
        return [(["a dog barks ", "a cat"], [-1.0, -2.0]) for _ in audio_paths]
"""
OPTIONS = [
    "--dtype",
    "float32",
    "--device",
    "cpu",
    "--batches",
    "1",
    "--prompts",
    "1",
    "--labels",
    "0",
    "--repeats",
    "2",
    "--max-new-tokens",
    "3",
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "Pengi"
    (folder / "configs").mkdir(parents=True)
    (folder / "configs" / "base.yml").touch()
    (folder / "configs" / "__init__.py").touch()
    (folder / "wrapper.py").write_text(STAND_IN)
    return folder


def test_the_published_code_is_timed_by_turns_with_ours_on_the_same_options(checkout: Path, tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    said = CliRunner().invoke(
        app,
        [
            "bench",
            "model",
            *OPTIONS,
            "--beams",
            "3",
            "--ignore-stop",
            "--against",
            f"published={checkout}",
            "--json",
            str(found),
        ],
    )
    assert said.exception is None, said.output
    figures = json.loads(found.read_text())
    assert figures["published"]["same_texts"] == 0
    assert figures["models"][0]["against_published"]["batch 1, 1 prompt"]["median"] > 0
    asked = [json.loads(line) for line in (checkout / "asked.jsonl").read_text().splitlines()]
    assert len(asked) == 3  # one to warm up, then one each repeat
    samples, rate, prompts, added, longest, beams, stop = asked[0]
    assert (samples, rate) == (107_760, 16_000)  # a window of mini
    assert (prompts, added, longest, beams) == (["generate audio caption"], [""], 3, 3)
    assert stop.strip()  # a stop token that is never written


@pytest.mark.parametrize("value", ["published=/nowhere", "somewhere", "other=/tmp", "published="])
def test_what_is_no_checkout_is_told_in_one_line(value: str) -> None:
    said = CliRunner().invoke(app, ["bench", "model", "--against", value])
    assert isinstance(said.exception, ConfigError)
    assert value in str(said.exception)
    assert "github.com/microsoft/Pengi" in str(said.exception)
    assert "\n" not in str(said.exception)


def test_a_checkout_that_cannot_load_its_model_is_told_with_its_reason(checkout: Path) -> None:
    (checkout / "configs" / "base.yml").unlink()
    said = CliRunner().invoke(app, ["bench", "model", *OPTIONS, "--against", f"published={checkout}"])
    assert isinstance(said.exception, PengiStreamError)
    assert "AssertionError" in str(said.exception)

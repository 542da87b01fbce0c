"""The example of docs/evaluation.md runs as it is written there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from support import environment

ROOT = Path(__file__).parents[4]
COMMAND = [sys.executable, "-m", "pengi_stream", "evaluate", "dataset"]


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the page's code was run."""
    folder = tmp_path_factory.mktemp("example")
    code = re.search(r"```python\n(import soundfile.*?)```", (ROOT / "docs/evaluation.md").read_text(), re.DOTALL)
    assert code is not None
    subprocess.run([sys.executable, "-c", code[1]], cwd=folder, check=True, timeout=60)
    return folder


def evaluate(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "--audio", ".", *options],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_mini_names_most_of_the_demos_sounds(example: Path) -> None:
    ended = evaluate(example, "--task", "classify", "--dataset", "labels.csv", "--json", "--predictions", "said.csv")
    assert (ended.returncode, ended.stderr) == (0, "")
    found = json.loads(ended.stdout)
    assert found["recordings"] == 5
    assert found["metrics"]["accuracy"]["value"] >= 0.6
    assert set(found["by_label"]) == {"speech", "telephone", "trumpet", "waves", "guitar"}
    assert re.fullmatch(r"pengi:[0-9a-f]{12}:float32|pengi:[0-9a-f]{12}:bfloat16", found["model"])
    assert len((example / "said.csv").read_text().splitlines()) == 6


@pytest.mark.skipif(find_spec("aac_metrics") is None, reason="the extra eval is not installed")
def test_minis_captions_share_words_with_people(example: Path) -> None:
    ended = evaluate(example, "--task", "caption", "--dataset", "captions.csv")
    assert ended.returncode == 0, ended.stderr
    score = re.search(r"CIDEr-D │ (\d\.\d{3})", ended.stdout)
    assert score is not None
    assert float(score[1]) > 1
    assert "5 recordings, 10 captions" in ended.stdout


def test_wrong_usage_is_one_line_and_status_two(example: Path) -> None:
    ended = evaluate(example, "--task", "caption", "--dataset", "labels.csv")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "pengi-stream: --task caption needs captions; the data set has label\n"

"""What `make demo` shows is true: the default model names what is in the recording."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from support import COMMAND, environment

ROOT = Path(__file__).parents[2]
MINI = ROOT / "pengi_stream/models/mini"
# What was put into the recording, by second: see pengi_stream/sounds/demo.CREDITS.md.
SECTIONS = [
    (0, 7, "speak|speech|talk|voice|woman|man|narrat"),
    (7, 13, "phone|ring|bell|alarm"),
    (13, 20, "music|trumpet|brass|horn|instrument|tune|melody|song|orchestra"),
    (27, 34, "wave|sea|ocean|water|surf|wind|rain"),
    (34, 40, "guitar|strings|music|instrument|melody"),
]


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    """The data of all text events of the demo."""
    output = tmp_path_factory.mktemp("demo") / "events.jsonl"
    command = [*COMMAND, "run", "pipelines/demo.yaml", "--set", f"sinks.1.path={output}"]
    ended = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=environment(), timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    found = [json.loads(line) for line in output.read_text().splitlines()]
    return [event["data"] for event in found if event["type"] == "pengi_stream.text"]


@pytest.mark.parametrize(("start_s", "end_s", "truth"), SECTIONS)
def test_each_section_of_the_demo_is_named(
    events: list[dict[str, object]], start_s: float, end_s: float, truth: str
) -> None:
    middle = (start_s + end_s) / 2
    [text] = [str(e["text"]) for e in events if abs(float(str(e["offset_s"])) + 3.37 - middle) <= 1.68]
    assert re.search(truth, text), f"{text!r} for what is {truth}"


def test_silence_is_not_captioned_as_a_sound(events: list[dict[str, object]]) -> None:
    """The windows that lie wholly in the silence from 20 to 27 s are gated."""
    starts = [float(str(event["offset_s"])) for event in events]
    assert not [start for start in starts if start >= 20 and start + 6.735 <= 27.2]


def test_texts_are_one_sentence_without_repetition(events: list[dict[str, object]]) -> None:
    for event in events:
        words = str(event["text"]).split()
        assert 1 <= len(words) <= 30
        assert not any(words[i : i + 3] == words[i + 3 : i + 6] for i in range(len(words)))
        assert 0 <= float(str(event["confidence"])) <= 1


def test_the_default_model_fits_its_budget() -> None:
    assert sum(file.stat().st_size for file in MINI.iterdir()) <= 25e6

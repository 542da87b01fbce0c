"""What a pipeline around a model costs."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from pengi_stream.cli.app import app
from pengi_stream.config import BatchConfig
from pengi_stream.engine.segment import WindowSpec
from pengi_stream.lab.bench.pipelines.piped import Asked
from pengi_stream.lab.bench.pipelines.pipeline import Load, measure
from pengi_stream.lab.bench.sound import load_sound
from pengi_stream.models.fake import FakeModel
from pengi_stream.options import Prompt
from pengi_stream.types import Batch, Generation

RATE = 8_000


class Heard(FakeModel):
    """Notes what it hears."""

    def __init__(self) -> None:
        super().__init__(RATE, RATE)
        self.windows: set[tuple[str, int, bytes]] = set()

    def generate(self, batch: Batch) -> list[Generation]:
        for request in batch.requests:
            window = request.window
            self.windows.add((window.stream.id, window.first_sample, window.samples.tobytes()))
        return super().generate(batch)


def test_the_model_hears_the_same_windows_without_and_with_a_pipeline() -> None:
    direct, piped = Heard(), Heard()
    asked = Asked(piped, WindowSpec(RATE, RATE, RATE // 2, "drop"), (Prompt("p", "?"),), BatchConfig(max_batch_size=4))
    found = measure(Load(direct, asked, load_sound(None, RATE), windows=10, repeats=2), quiet_s=2)
    assert found.windows == 12  # three of each of four streams
    assert direct.windows == piped.windows
    assert len(direct.windows) == 3 * 12  # new ones each time: to warm up, and in two repeats
    assert sum(found.batch_sizes.values()) >= 2 * 3


def test_the_command_tells_throughput_and_latency(tmp_path: Path) -> None:
    found, plot = tmp_path / "found.json", tmp_path / "found.png"
    options = ["--model", "fake", "--windows", "32", "--quiet-s", "2", "--repeats", "1", "--max-wait-s", "0.25"]
    said = CliRunner().invoke(app, ["bench", "pipeline", *options, "--json", str(found), "--plot", str(plot)])
    assert said.exception is None, said.output
    assert "% of throughput lost" in said.output
    figures = json.loads(found.read_text())
    waited, at_once = figures["quiet"]
    assert (waited["max_wait_s"], at_once["max_wait_s"]) == (0.25, 0)
    for quiet in (waited, at_once):
        assert quiet["windows"] > 4
        assert 0 < quiet["since_ready"]["p50_s"] <= quiet["since_end"]["p50_s"]
    assert plot.read_bytes().startswith(b"\x89PNG")

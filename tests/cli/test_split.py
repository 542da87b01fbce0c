"""What `ingest`, `worker` and `check` say of files that are not for them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from pengi_stream.cli.app import app

AUDIO = {"type": "synthetic", "duration_s": 1}
EVENTS = {"type": "jsonl", "path": "-"}
BROKER = {"bootstrap_servers": "127.0.0.1:9"}
SENDS = {"type": "windows", "topic": "windows", **BROKER}
TAKES = {"type": "windows", "topics": ["windows"], "group_id": "workers", **BROKER}


@pytest.mark.parametrize(
    ("command", "source", "sinks", "more", "complaint"),
    [
        ("ingest", AUDIO, [EVENTS], {}, "sinks are jsonl; ingest sends windows"),
        ("worker", AUDIO, [EVENTS], {}, "sources are synthetic; a worker takes"),
        ("check", AUDIO, [SENDS, EVENTS], {}, "sinks take either windows or events, found windows, jsonl"),
        ("check", TAKES, [EVENTS], {"delivery": {"guarantee": "exactly_once"}}, "exactly_once needs a Kafka source"),
        ("check", AUDIO, [{**SENDS, "required": False}], {}, "sinks.0.required: Input should be True"),
    ],
)
def test_a_file_for_another_command_is_refused_with_a_hint(
    tmp_path: Path, command: str, source: object, sinks: object, more: dict[str, object], complaint: str
) -> None:
    path = tmp_path / "pipeline.yaml"
    path.write_text(yaml.safe_dump({"model": {"type": "fake"}, "sources": [source], "sinks": sinks, **more}))
    said = CliRunner().invoke(app, [command, str(path)])
    assert complaint in str(said.exception)


def test_check_of_an_ingest_loads_no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # whoever imports it now fails
    path = tmp_path / "pipeline.yaml"
    path.write_text(yaml.safe_dump({"model": {"type": "pengi"}, "sources": [AUDIO], "sinks": [SENDS]}))
    said = CliRunner().invoke(app, ["check", str(path)])
    assert said.exception is None
    assert "windows   6.735 s every 3.360 s at 16000 Hz" in said.output
    assert "asked by workers" in said.output

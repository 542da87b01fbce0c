"""What README tells a newcomer to type works."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from pengi_stream.config import parse_config
from pengi_stream.sounds.demo import or_demo

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_each_file_that_a_command_of_the_readme_hears_is_there() -> None:
    commands = re.findall(r"pengi-stream (?:caption|run) (\S+)", README)
    assert len(commands) > 5
    for path in commands:
        assert Path(or_demo(path)).is_file() or (ROOT / path).exists(), path


def test_the_pipeline_of_the_readme_hears_what_is_there() -> None:
    [text] = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    config = parse_config(yaml.safe_load(text), name="readme", origin="README", environment={})
    assert Path(or_demo(config.sources[0].model_dump()["path"])).is_file()

"""What README and docs/plugins.md tell a newcomer to type works."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import yaml
from support import environment

from pengi_stream.config import parse_config

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_each_file_that_a_command_of_the_readme_hears_is_there() -> None:
    commands = re.findall(r"pengi-stream (?:caption|run) (\S+)", README)
    assert len(commands) > 5
    for path in commands:
        assert (ROOT / path).exists(), path


def test_the_pipeline_of_the_readme_hears_what_is_there() -> None:
    [text] = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    config = parse_config(yaml.safe_load(text), name="readme", origin="README", environment={})
    assert list(ROOT.glob(config.sources[0].model_dump()["path"]))


def test_the_plugin_of_the_page_keeps_its_contract_as_it_stands_there(tmp_path: Path) -> None:
    sink, test = re.findall(r"```python\n(.*?)```", (ROOT / "docs/plugins.md").read_text(), re.DOTALL)
    (tmp_path / "daily.py").write_text(sink)
    (tmp_path / "test_daily.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_daily.py"]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=100, check=False
    )
    assert ended.returncode == 0, ended.stdout

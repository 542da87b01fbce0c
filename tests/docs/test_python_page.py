"""The code of docs/python.md runs as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import yaml
from support import environment

from pengi_stream.config import parse_config

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/python.md").read_text()


def test_the_examples_run(tmp_path: Path) -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert ended.returncode == 0, ended.stderr
    assert re.match(r"0\.0-\d+\.\d s: \w.* \(0\.\d\d\)\n", ended.stdout)


def test_the_prompts_are_valid() -> None:
    [block] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    data = {**yaml.safe_load(block), "sources": [{"type": "file", "path": "a.wav"}]}
    assert len(parse_config(data, name="test", origin="docs", environment={}).prompts) == 4

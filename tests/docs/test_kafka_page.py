"""The producers of docs/kafka.md feed a real broker as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from kafka_cluster import Kafka
from kafka_talk import records_in
from support import tone

from pengi_stream.metrics import Metrics

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/kafka.md").read_text()
RATE = 44_100


def block(language: str) -> str:
    """The first block of code in `language`."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def pcm(seconds: float) -> bytes:
    return (tone(seconds, RATE) * 32_767).astype("<i2").tobytes()


def test_the_python_producer_is_short_and_sends_all_of_stdin_and_the_end(kafka: Kafka, tmp_path: Path) -> None:
    topic = kafka.new_topic()
    script = block("python")
    assert len([line for line in script.splitlines() if line.strip()]) <= 15
    (tmp_path / "produce.py").write_text(script.replace('"audio"', f'"{topic}"'))
    sound = pcm(1.8)
    command = [sys.executable, "produce.py", "kitchen", kafka.servers[0]]
    subprocess.run(command, cwd=tmp_path, input=sound, check=True, timeout=60)
    *audio, end = records_in(kafka.servers, topic, **kafka.client_options)
    assert end == (b"kitchen", None)
    assert {key for key, _ in audio} == {b"kitchen"}
    assert b"".join(value or b"" for _, value in audio) == sound
    assert [len(value or b"") for _, value in audio[:-1]] == [RATE] * 3  # half a second of 16 bits


def test_ffmpeg_and_kcat_send_one_file_a_record(kafka: Kafka, tmp_path: Path) -> None:
    for program in ("ffmpeg", "kcat"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    topic = kafka.new_topic()
    (tmp_path / "produce.sh").write_text(block("bash").replace("-t audio", f"-t {topic}").replace("-re ", ""))
    sound = pcm(3.5)
    soundfile.write(tmp_path / "sound.wav", np.frombuffer(sound, "<i2"), RATE, subtype="PCM_16")
    variables = {**os.environ, "BROKER": kafka.servers[0]}
    subprocess.run(["bash", "produce.sh", "sound.wav", "kitchen"], cwd=tmp_path, env=variables, check=True, timeout=60)
    found = records_in(kafka.servers, topic, **kafka.client_options)
    assert [key for key, _ in found] == [b"kitchen"] * 4
    assert b"".join(value or b"" for _, value in found) == sound
    assert not list(tmp_path.glob("*.pcm"))


def test_each_error_line_is_one_that_the_code_says() -> None:
    said = " ".join(path.read_text() for path in (ROOT / "pengi_stream").rglob("*.py"))
    table = PAGE.split("## What it says when something is wrong")[1].split("\n## ")[0]
    lines = re.findall(r"^\| `(.*?)` \|", table, re.MULTILINE)
    assert len(lines) > 10
    for line in lines:
        for part in filter(None, re.split(r"\s*…\s*", line)):
            assert all(word in said for word in part.split("; ")), f"the code does not say {part!r}"


def test_each_metric_on_the_page_is_exported() -> None:
    families = Metrics().registry.collect()
    exported = {f"{family.name}_total" if family.type == "counter" else family.name for family in families}
    named = {name for pattern in re.findall(r"`(pengi_stream_[\w{},]+)`", PAGE) for name in alternatives(pattern)}
    assert len(named) > 10
    assert named <= exported


def alternatives(pattern: str) -> list[str]:
    """`a_{b,c}_d` of a shell: `a_b_d` and `a_c_d`."""
    found = re.fullmatch(r"(\w+)\{([\w,]+)\}(\w*)", pattern)
    return [f"{found[1]}{middle}{found[3]}" for middle in found[2].split(",")] if found else [pattern]

"""`listen` and a microphone pipeline hear what a real sound server plays."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from pulse import Pulse
from support import COMMAND


def test_listen_writes_what_the_microphone_hears_until_ctrl_c(pulse: Pulse, tmp_path: Path) -> None:
    command = [*COMMAND, "listen", "--model", "fake", "--hop-s", "1"]
    with (
        pulse.tone(440),
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, env=pulse.env) as heard,
    ):
        assert heard.stdout is not None
        line = heard.stdout.readline().decode()
        heard.send_signal(signal.SIGINT)
        _, err = heard.communicate(timeout=30)
    assert heard.returncode == 0, err
    match = re.search(r"generate audio caption: (\d+) Hz", line)
    assert match, line
    assert abs(int(match[1]) - 440) <= 5


def test_a_microphone_pipeline_stamps_the_time_of_day(
    pulse: Pulse, pipeline: Callable[..., str], tmp_path: Path
) -> None:
    name = pipeline(sources=[{"type": "microphone", "stream_id": "room"}])
    with (
        pulse.tone(1000),
        subprocess.Popen([*COMMAND, "run", name], stdout=subprocess.PIPE, cwd=tmp_path, env=pulse.env) as heard,
    ):
        assert heard.stdout is not None
        event = json.loads(heard.stdout.readline())
        heard.send_signal(signal.SIGTERM)
        heard.communicate(timeout=30)
    assert heard.returncode == 0
    assert event["subject"] == "room"
    data = event["data"]
    assert data["window_start"] < data["window_end"] <= data["processed_at"]
    assert data["window_start"][:4] == data["processed_at"][:4] != "1970"

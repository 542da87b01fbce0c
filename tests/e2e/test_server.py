"""A process that serves its health, seen from outside."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx2
from ledgers import ledgers_of
from support import COMMAND, Run, environment

from pengi_stream.clock import Deadline


def test_a_run_answers_until_it_is_told_to_stop(pipeline: Callable[..., str], tmp_path: Path) -> None:
    file = pipeline(
        sources=[{"type": "synthetic", "realtime": True}],
        sinks=[{"type": "jsonl", "path": "events.jsonl"}],
        server={"port": 0},
        logging={"level": "info", "format": "json"},
    )
    command = [*COMMAND, "run", file]
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            serving = next(line for line in map(json.loads, process.stderr) if line["event"] == "serving")
            with httpx2.Client(base_url=f"http://127.0.0.1:{serving['port']}") as client:
                deadline = Deadline(60)
                while (ready := client.get("/readyz")).status_code != 200:
                    assert not deadline.expired, ready.text
                assert client.get("/livez").status_code == 200
                while ledgers_of(scrape := client.get("/metrics").text)["requests"].fates.get("generated", 0) < 3:
                    assert not deadline.expired, scrape
            assert "process_resident_memory_bytes" in scrape
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) >= 3


def test_a_port_that_is_taken_ends_the_run_with_one_line(run: Run, pipeline: Callable[..., str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = run("run", pipeline(sources=[{"type": "synthetic"}], server={"port": port}))
    assert ended.status == 1
    [line] = ended.err.strip().splitlines()
    assert line.startswith(f"pengi-stream: server: cannot listen at 127.0.0.1, port {port}")


def test_without_a_server_section_nobody_listens(run: Run, pipeline: Callable[..., str]) -> None:
    file = pipeline(sources=[{"type": "synthetic", "duration_s": 1}], logging={"level": "info", "format": "json"})
    ended = run("run", file)
    assert ended.status == 0
    assert "serving" not in ended.err

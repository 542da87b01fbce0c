"""What the Dockerfile would do, done here: its build context, its installation, its health check."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from containers import container, health_check, instructions
from kafka_cluster import free_ports, wait_for
from support import environment

from pengi_stream.config import ServerConfig
from pengi_stream.metrics import Metrics
from pengi_stream.server.http import HttpServer
from pengi_stream.status import Health

ROOT = Path(__file__).parents[2]


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """What `.dockerignore` lets into the build, copied where `COPY` puts it."""
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    folder = tmp_path / "src"
    folder.mkdir()
    for *sources, target in (rest.split() for rest in instructions("COPY") if not rest.startswith("--from")):
        assert set(sources) <= kept, "a COPY names what .dockerignore keeps out"
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / source, folder)
    return folder


def test_what_is_copied_installs_and_runs_without_the_repository(context: Path, tmp_path: Path) -> None:
    [install] = [run for run in instructions("RUN") if run.endswith(" .")]
    assert install == "pip install -c constraints.txt ."
    here = ["--no-deps", "--no-build-isolation", "--target", str(tmp_path / "site")]  # the rest is installed already
    pip = [sys.executable, "-m", *install.split(), "-q", *here]
    subprocess.run(pip, cwd=context, check=True, capture_output=True, timeout=100)
    (tmp_path / "pipeline.yaml").write_text("sources: [{type: synthetic, duration_s: 1}]")

    def python(*arguments: str) -> str:
        clean = {**environment(), "PYTHONPATH": str(tmp_path / "site"), "PYTHONSAFEPATH": "1"}
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=tmp_path, env=clean, stdout=subprocess.PIPE, text=True, check=True).stdout

    assert python("-c", "import pengi_stream; print(pengi_stream.__file__)").startswith(str(tmp_path))
    assert python("-m", "pengi_stream", "check", "pipeline.yaml").endswith("ok\n")


def test_the_image_starts_our_command_and_not_as_root() -> None:
    assert instructions("ENTRYPOINT") == ['["pengi-stream"]']
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", instructions("USER")[-1])


def test_the_health_check_passes_while_a_pipeline_runs_with_the_images_variables(tmp_path: Path) -> None:
    [port] = free_ports(1)
    (tmp_path / "pipeline.yaml").write_text(yaml.safe_dump({"sources": [{"type": "synthetic", "realtime": True}]}))
    assert not health_check(port)
    with container(["run", "pipeline.yaml"], {}, port, tmp_path):
        wait_for(lambda: health_check(port), "a passing health check")


@dataclass
class DeadStage:
    """A pipeline whose model has died."""

    metrics: Metrics
    health: Callable[[], Health]


def test_the_health_check_fails_for_a_pipeline_with_a_dead_stage() -> None:
    with HttpServer(ServerConfig(port=0)) as server:
        assert health_check(server.port)
        server.watch(DeadStage(Metrics(), lambda: Health({"model": "failed"}, {}, {})))
        assert not health_check(server.port)

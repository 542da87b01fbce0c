"""What the image would run, run here: its variables, its command, its health check."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from support import COMMAND, environment

DOCKERFILE = Path(__file__).parents[1] / "deploy/Dockerfile"
FAKE = {"PENGI_STREAM_MODEL": "{type: fake, window_s: 2}"}


def instructions(name: str) -> list[str]:
    """What the Dockerfile says after each `COPY`, for example."""
    lines = DOCKERFILE.read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    found = [line.partition(" ") for line in text.splitlines()]
    return [" ".join(rest.split()) for first, _, rest in found if first == name]


def image_variables(port: int) -> dict[str, str]:
    """The image's variables that concern us, with a port of this machine, on loopback."""
    pairs = dict(pair.split("=", 1) for pair in instructions("ENV")[-1].split())
    ours = {name: value for name, value in pairs.items() if name.startswith("PENGI_STREAM_")}
    assert ours == {"PENGI_STREAM_SERVER__HOST": "0.0.0.0", "PENGI_STREAM_SERVER__PORT": "9464"}
    return {"PENGI_STREAM_SERVER__HOST": "127.0.0.1", "PENGI_STREAM_SERVER__PORT": str(port)}


@contextmanager
def container(
    arguments: Sequence[str], variables: Mapping[str, str], port: int, folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """`pengi-stream ARGUMENTS` in `folder`, with the image's variables and the fake model; killed at the end."""
    env = {**environment(), **image_variables(port), **variables, **FAKE}
    with subprocess.Popen([*COMMAND, *arguments], cwd=folder, env=env, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def health_check(port: int) -> bool:
    """Whether the image's health check passes for what listens at `port`."""
    [rest] = instructions("HEALTHCHECK")
    command = json.loads(rest.partition(" CMD ")[2])
    assert command[0] == "python"
    env = {**environment(), **image_variables(port)}
    ended = subprocess.run([sys.executable, *command[1:]], env=env, capture_output=True, timeout=30, check=False)
    return ended.returncode == 0

"""A user's checkout of the published code (github.com/microsoft/Pengi), timed from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile
import torch

from pengi_stream.clock import SystemClock
from pengi_stream.errors import ConfigError, PengiStreamError
from pengi_stream.lab.bench.models.model import Run
from pengi_stream.options import DecodingOptions
from pengi_stream.types import Generation, Request, Window

NAME = "published"
WORKER = Path(__file__).with_name("published_worker.py")
OWN_PYTHON = Path(".venv/bin/python")
NEVER_WRITTEN = " SolidGoldMagikarp"  # a token of GPT-2 that no text has: as a stop token it stops nothing
LEAVE_S = 10.0


def checkout(value: str) -> Path:
    """The folder of `published=PATH`. Raises ConfigError."""
    name, equals, path = value.partition("=")
    if name != NAME or not equals or not path:
        raise ConfigError(f"--against {value}: expected {NAME}=PATH, with a checkout of github.com/microsoft/Pengi")
    folder = Path(path)
    if not (folder / "wrapper.py").is_file():
        raise ConfigError(
            f"--against {value}: {folder / 'wrapper.py'} is missing; expected a checkout of github.com/microsoft/Pengi"
        )
    return folder.absolute()


@dataclass(frozen=True, slots=True)
class Published:
    """The published code in a process of its own, with its model loaded."""

    process: subprocess.Popen[str]
    folder: Path
    """For the windows, which it reads as files"""

    def ask(self, requests: Sequence[Request], *, ignore_stop: bool) -> Run:
        """All in one call of its `generate`; blocks. Raises PengiStreamError."""
        paths = [self._written(number, request.window) for number, request in enumerate(requests)]
        options, clock = requests[0].options, SystemClock()
        began_s = clock.monotonic_s()
        answer = self.say(_question(paths, requests, options, ignore_stop=ignore_stop))
        took_s = clock.monotonic_s() - began_s
        answers = [
            Generation(request, str(text).strip(), 0.0) for request, text in zip(requests, answer["texts"], strict=True)
        ]
        return Run(len(requests), (took_s,), tuple(answers))

    def say(self, message: dict[str, Any]) -> dict[str, Any]:
        """What it answers. Raises PengiStreamError."""
        if self.process.stdin is None or self.process.stdout is None:
            raise ValueError("the process needs pipes")
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise PengiStreamError("the published code has ended; what it said is above") from error
        line = self.process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "it ended; what it said is above"}
        if "error" in answer:
            raise PengiStreamError(f"the published code failed: {answer['error']}")
        return answer

    def _written(self, number: int, window: Window) -> Path:
        path = self.folder / f"{number}.wav"
        soundfile.write(path, window.samples, window.sample_rate, "FLOAT")
        return path


@contextmanager
def running(checkout: Path, config: str, folder: Path) -> Iterator[Published]:
    """Load the model `config` (base or base_no_text_enc) of the published code; `folder` is for windows.

    By the Python of the checkout's own `.venv`, where it has one, on as many threads as torch has here."""
    own = checkout / OWN_PYTHON
    python = str(own) if own.is_file() else sys.executable
    process = subprocess.Popen(  # noqa: S603  the user's own checkout
        [python, str(WORKER)],
        cwd=checkout,
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        published = Published(process, folder)
        published.say({"config": config})
        yield published
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(LEAVE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _question(
    paths: Sequence[Path], requests: Sequence[Request], options: DecodingOptions, *, ignore_stop: bool
) -> dict[str, Any]:
    return {
        "audio_paths": [str(path) for path in paths],
        "text_prompts": [request.prompt.text for request in requests],
        "add_texts": [""] * len(requests),
        "max_len": options.max_new_tokens,
        "beam_size": options.beams,
        "temperature": options.temperature,
        "stop_token": NEVER_WRITTEN if ignore_stop else None,
        "audio_resample": True,
    }

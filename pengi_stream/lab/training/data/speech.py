"""Speech for training, from Debian's `espeak-ng` (130 voices and languages) and `flite` (6 English voices)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np

from pengi_stream.errors import ConfigError

FLITE_VOICES = ("kal", "awb", "kal16", "rms", "slt")


def espeak_languages() -> list[str]:
    """Languages that the installed espeak-ng can speak."""
    lines = _run(["espeak-ng", "--voices"]).splitlines()[1:]
    return [line.split()[1] for line in lines]


def render_speech(folder: Path, texts: list[str], count: int, seed: int) -> list[Path]:
    """Render `count` utterances to WAV files in `folder`, alternating voices; files that exist are kept.

    Raises ConfigError where a synthesiser is not installed.
    """
    for program in ("espeak-ng", "flite"):
        if shutil.which(program) is None:
            raise ConfigError(f"{program} is not installed; on Debian: apt-get install espeak-ng flite")
    rng = np.random.default_rng(seed)
    languages = espeak_languages()
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index in range(count):
        path = folder / f"{index:04d}.wav"
        text = ". ".join(str(t) for t in rng.choice(texts, 3))
        command = _flite(rng, text, path) if index % 5 == 0 else _espeak(rng, languages, text, path)
        if not path.exists():
            _run(command)
        paths.append(path)
    return paths


def _flite(rng: np.random.Generator, text: str, path: Path) -> list[str]:
    stretch = rng.uniform(0.85, 1.3)
    voice = str(rng.choice(FLITE_VOICES))
    return ["flite", "-voice", voice, "--setf", f"duration_stretch={stretch:.2f}", "-t", text, "-o", str(path)]


def _espeak(rng: np.random.Generator, languages: list[str], text: str, path: Path) -> list[str]:
    language = "en-us" if rng.random() < 0.25 else str(rng.choice(languages))
    variant = str(rng.choice(["", "+f1", "+f2", "+f3", "+f4", "+f5", "+m1", "+m2", "+m3", "+m4", "+m5", "+m7"]))
    speed, pitch = int(rng.integers(110, 220)), int(rng.integers(15, 90))
    return ["espeak-ng", "-v", language + variant, "-s", str(speed), "-p", str(pitch), "-w", str(path), text]


def _run(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout  # noqa: S603

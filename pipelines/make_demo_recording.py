"""Make the package's `demo.flac`: python pipelines/make_demo_recording.py [PATH]

Needs Debian's `flite`, `fluidsynth` and `fluid-soundfont-gm`. Licences: pengi_stream/sounds/demo.CREDITS.md.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr

from pengi_stream.lab.training.data.midi import Note, Program, write_midi
from pengi_stream.sounds.demo import RECORDING
from pengi_stream.types import Samples

SAMPLE_RATE = 16_000
SECTION_S = 6.72  # two hops of the default pipeline, so that every other window lies in one section
SILENCE_S = 6.8  # a little more than a window, so that one window is silent throughout
FADE_S = 0.15
STEPS = 1 << 14  # 15 bits are enough here, and FLAC packs them smaller
SOUND_FONT = "/usr/share/sounds/sf2/FluidR3_GM.sf2"

GUITAR, TRUMPET, SEA_SHORE, TELEPHONE = 24, 56, 122, 124  # General MIDI, from 0
TEXT = "Good morning. The sun is out, the coffee is ready, and the train leaves in ten minutes. Take your umbrella."
ODE_TO_JOY = (64, 64, 65, 67, 67, 65, 64, 62, 60, 60, 62, 64, 64, 62, 62)  # Beethoven, 1824
BASS = (48, 55, 48, 55)


def recording(folder: Path) -> Samples:
    """All sections, one after another. (time,)"""
    rings = [Note(start, 1.6, 0, 60, 110) for start in (0.05, 2.3, 4.55)]
    sections = [
        _section(_speech(folder), rms_dbfs=-20),
        _section(_play(folder, TELEPHONE, rings), rms_dbfs=-22),
        _section(_play(folder, TRUMPET, _ode_to_joy()), rms_dbfs=-20),
        np.zeros(round(SILENCE_S * SAMPLE_RATE), np.float32),
        _section(_play(folder, SEA_SHORE, [Note(0.0, 8.0, 0, 60, 110)]), rms_dbfs=-26),
        _section(_play(folder, GUITAR, _ode_to_joy()), rms_dbfs=-20),
    ]
    return np.asarray(np.round(np.concatenate(sections) * STEPS) / STEPS, np.float32)


def _speech(folder: Path) -> Samples:
    path = folder / "speech.wav"
    _run(["flite", "-voice", "slt", "-t", TEXT, "-o", str(path)])
    return _load(path)


def _ode_to_joy() -> list[Note]:
    melody = [Note(0.05 + 0.42 * beat, 0.42, 0, pitch, 95) for beat, pitch in enumerate(ODE_TO_JOY)]
    return melody + [Note(0.05 + 1.68 * bar, 1.6, 0, pitch, 75) for bar, pitch in enumerate(BASS)]


def _play(folder: Path, program: int, notes: Sequence[Note]) -> Samples:
    score, path = folder / "score.mid", folder / "score.wav"
    write_midi(score, notes, [Program(0.0, 0, program)])
    _run(["fluidsynth", "-ni", "-g", "0.6", "-r", "48000", "-F", str(path), SOUND_FONT, str(score)])
    return _load(path)


def _load(path: Path) -> Samples:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return np.asarray(soxr.resample(samples.mean(axis=1), rate, SAMPLE_RATE), np.float32)


def _section(samples: Samples, rms_dbfs: float) -> Samples:
    """The first `SECTION_S` of `samples`, at a level, faded in and out. (time,)"""
    length, fade = round(SECTION_S * SAMPLE_RATE), round(FADE_S * SAMPLE_RATE)
    section = np.zeros(length, np.float32)
    section[: len(samples)] = samples[:length]
    section *= 10 ** (rms_dbfs / 20) / np.sqrt(np.mean(section**2))
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    section[:fade] *= ramp
    section[-fade:] *= ramp[::-1]
    return section


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603


if __name__ == "__main__":
    target = sys.argv[1] if len(sys.argv) > 1 else RECORDING
    with tempfile.TemporaryDirectory() as scratch:
        soundfile.write(target, recording(Path(scratch)), SAMPLE_RATE, subtype="PCM_16", compression_level=1.0)

"""Music for training, from FluidSynth and the General MIDI instruments of `fluid-soundfont-gm`."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from pengi_stream.errors import ConfigError
from pengi_stream.lab.training.data.midi import DRUM_CHANNEL, Note, Program, write_midi

SOUND_FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
SAMPLE_RATE = 32_000
PIECE_S = 8.0
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9))

GENERAL_MIDI = (
    (range(3), "piano"), (range(4, 6), "electric piano"), (range(6, 7), "harpsichord"), (range(8, 10), "glockenspiel"),
    (range(11, 12), "vibraphone"), (range(12, 14), "xylophone"), (range(14, 15), "tubular bells"),
    (range(16, 18), "organ"), (range(19, 21), "organ"), (range(21, 22), "accordion"), (range(22, 23), "harmonica"),
    (range(24, 26), "acoustic guitar"), (range(26, 31), "electric guitar"), (range(32, 38), "bass guitar"),
    (range(40, 41), "violin"), (range(42, 43), "cello"), (range(45, 46), "pizzicato"), (range(46, 47), "harp"),
    (range(47, 48), "timpani"), (range(48, 52), "string section"), (range(52, 55), "choir"), (range(56, 57), "trumpet"),
    (range(57, 58), "trombone"), (range(60, 61), "french horn"), (range(61, 64), "brass"), (range(64, 68), "saxophone"),
    (range(68, 69), "oboe"), (range(70, 71), "bassoon"), (range(71, 72), "clarinet"), (range(73, 76), "flute"),
    (range(78, 79), "whistling"), (range(80, 104), "synthesizer"), (range(104, 105), "sitar"),
    (range(105, 106), "banjo"), (range(109, 110), "bagpipes"), (range(110, 111), "violin"),
    (range(114, 115), "steelpan"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Piece:
    """A rendered piece: its file and what plays in it."""

    path: Path
    label: str


def render_music(folder: Path, count: int, seed: int) -> list[Piece]:
    """Render `count` pieces of `PIECE_S` seconds: solos, ensembles, drum kits; kept if all are there already.

    Raises ConfigError where FluidSynth or its sound font is not installed.
    """
    if shutil.which("fluidsynth") is None or not SOUND_FONT.exists():
        raise ConfigError("fluidsynth is not installed; on Debian: apt-get install fluidsynth fluid-soundfont-gm")
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    notes: list[Note] = []
    programs: list[Program] = []
    pieces = []
    for index in range(count):
        label = _compose(rng, index * PIECE_S, notes, programs)
        pieces.append(Piece(folder / f"{index:04d}.flac", label))
    if not all(piece.path.exists() for piece in pieces):
        _render(folder, notes, programs, pieces)
    return pieces


def _compose(rng: np.random.Generator, start_s: float, notes: list[Note], programs: list[Program]) -> str:
    kind = rng.random()
    if kind < 0.08:
        notes += _drums(rng, start_s)
        return "drum kit"
    solo = kind < 0.7
    label = ""
    for channel in range(1 if solo else int(rng.integers(2, 5))):
        family, label = GENERAL_MIDI[int(rng.integers(len(GENERAL_MIDI)))]
        programs.append(Program(start_s, channel, int(rng.choice(list(family)))))
        notes += _melody(rng, start_s, channel, chords=channel == 1 or rng.random() < 0.3)
    if solo:
        return label
    if rng.random() < 0.6:
        notes += _drums(rng, start_s)
    return "music"


def _melody(rng: np.random.Generator, start_s: float, channel: int, *, chords: bool) -> list[Note]:
    scale = SCALES[int(rng.integers(len(SCALES)))]
    root = int(rng.integers(45, 70))
    beat_s = float(rng.uniform(0.18, 0.7))
    now_s, degree = 0.0, int(rng.integers(7))
    notes = []
    while now_s < PIECE_S - 0.8:
        length_s = beat_s * int(rng.choice([1, 1, 2, 4]))
        degree = int(np.clip(degree + rng.integers(-2, 3), 0, 13))
        for step in (0, 2, 4) if chords else (0,):
            octave, position = divmod(degree + step, len(scale))
            pitch = min(root + 12 * octave + scale[position], 108)
            length = min(length_s * 0.95, PIECE_S - 0.5 - now_s)
            notes.append(Note(start_s + now_s, length, channel, pitch, int(rng.integers(60, 120))))
        now_s += length_s
    return notes


def _drums(rng: np.random.Generator, start_s: float) -> list[Note]:
    step_s = float(rng.uniform(0.12, 0.25))
    notes = []
    for step in range(int((PIECE_S - 0.8) / step_s)):
        hits = [42] + [36] * (step % 4 == 0) + [38] * (step % 8 == 4) + [49] * (step % 32 == 0)
        notes += [
            Note(start_s + step * step_s, 0.1, DRUM_CHANNEL, hit, int(rng.integers(70, 120)))
            for hit in hits
            if rng.random() < 0.9
        ]
    return notes


def _render(folder: Path, notes: list[Note], programs: list[Program], pieces: list[Piece]) -> None:
    score, rendering = folder / "score.mid", folder / "score.wav"
    write_midi(score, notes, programs)
    command = ["fluidsynth", "-ni", "-g", "0.6", "-r", str(SAMPLE_RATE), "-F", str(rendering)]
    subprocess.run([*command, str(SOUND_FONT), str(score)], check=True, capture_output=True, timeout=600)  # noqa: S603
    samples, rate = soundfile.read(rendering, dtype="float32", always_2d=True)
    for index, piece in enumerate(pieces):
        first = round(index * PIECE_S * rate)
        soundfile.write(piece.path, samples[first : first + round(PIECE_S * rate)].mean(axis=1), rate)
    rendering.unlink()

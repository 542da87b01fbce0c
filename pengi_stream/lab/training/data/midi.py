"""Standard MIDI files with one short piece after another, for FluidSynth to render."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mido import Message, MidiFile, MidiTrack

TICKS_PER_BEAT = 480
TICKS_PER_S = 2 * TICKS_PER_BEAT  # at 120 quarter notes a minute
DRUM_CHANNEL = 9


@dataclass(frozen=True, slots=True)
class Note:
    """One note; `channel` 9 is the drum kit."""

    start_s: float
    duration_s: float
    channel: int
    pitch: int
    velocity: int


@dataclass(frozen=True, slots=True)
class Program:
    """From `start_s` on, `channel` plays General MIDI instrument `number` (0 to 127)."""

    start_s: float
    channel: int
    number: int


def write_midi(path: Path, notes: Iterable[Note], programs: Iterable[Program]) -> None:
    """Write a single-track MIDI file."""
    events = [(_tick(p.start_s), 1, Message("program_change", channel=p.channel, program=p.number)) for p in programs]
    for note in notes:
        start, end = _tick(note.start_s), _tick(note.start_s + note.duration_s)
        key = {"channel": note.channel, "note": note.pitch}
        events.append((start, 2, Message("note_on", velocity=note.velocity, **key)))
        events.append((end, 0, Message("note_off", velocity=0, **key)))
    track = MidiTrack()
    now = 0
    for tick, _, message in sorted(events, key=lambda event: (*event[:2], event[2].bytes())):
        track.append(message.copy(time=tick - now))
        now = tick
    MidiFile(type=0, ticks_per_beat=TICKS_PER_BEAT, tracks=[track]).save(path)


def _tick(time_s: float) -> int:
    return round(time_s * TICKS_PER_S)

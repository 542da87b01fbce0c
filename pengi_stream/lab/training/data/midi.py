"""Standard MIDI files with one short piece after another, for FluidSynth to render."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = 960  # 480 ticks a quarter note at 120 quarter notes a minute
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
    events = [(round(p.start_s * TICKS_PER_S), 1, bytes([0xC0 | p.channel, p.number])) for p in programs]
    for note in notes:
        start = round(note.start_s * TICKS_PER_S)
        end = round((note.start_s + note.duration_s) * TICKS_PER_S)
        events.append((start, 2, bytes([0x90 | note.channel, note.pitch, note.velocity])))
        events.append((end, 0, bytes([0x80 | note.channel, note.pitch, 0])))
    track = bytearray()
    now = 0
    for tick, _, message in sorted(events):
        track += _variable_length(tick - now) + message
        now = tick
    track += b"\x00\xff\x2f\x00"
    header = b"MThd" + struct.pack(">IHHH", 6, 0, 1, 480)
    path.write_bytes(header + b"MTrk" + struct.pack(">I", len(track)) + bytes(track))


def _variable_length(value: int) -> bytes:
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(0x80 | (value & 0x7F))
    return bytes(reversed(groups))

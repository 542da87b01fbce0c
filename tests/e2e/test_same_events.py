"""The same audio gives the same events, however it comes and whatever else is heard."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import soundfile
from support import COMMAND, Ended, Run, environment

RAW = {"encoding": "s16le", "sample_rate": 11_025, "channels": 1}


def facts(ended: Ended) -> list[dict[str, object]]:
    """All that an event says, but for when it was said."""
    assert ended.status == 0, ended.err
    events = ended.events()
    for event in events:
        data = event["data"]
        assert isinstance(data, dict)
        del data["processed_at"]
    return events


def file_source(path: Path, **more: object) -> list[dict[str, object]]:
    return [{"type": "file", "path": str(path), "stream_id": "same", **more}]


@pytest.mark.parametrize("piece", [1, 7, 4097])
@pytest.mark.parametrize("form", ["raw", "wav"])
def test_a_pipe_in_pieces_of_any_size_gives_what_the_file_gives(
    run: Run, pipeline: Callable[..., str], sound: Callable[..., Path], tmp_path: Path, piece: int, form: str
) -> None:
    path = sound("a.wav", seconds=2.2, rate=11_025)
    expected = facts(run("run", pipeline(sources=file_source(path))))
    assert len(expected) == 4
    audio = RAW if form == "raw" else None
    name = pipeline(sources=[{"type": "pipe", "stream_id": "same", "audio": audio}])
    data = path.read_bytes() if form == "wav" else soundfile.read(path, dtype="int16")[0].tobytes()
    with subprocess.Popen(
        [*COMMAND, "run", name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path, env=environment()
    ) as process:
        assert process.stdin is not None
        for part in pieces(data, piece):
            os.write(process.stdin.fileno(), part)
        out, _ = process.communicate(timeout=60)
    found = facts(Ended(process.returncode, out.decode(), ""))
    for event in [*expected, *found]:
        event["source"] = ""
    assert found == expected


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def test_real_time_gives_what_full_speed_gives(
    run: Run, pipeline: Callable[..., str], sound: Callable[..., Path]
) -> None:
    path = sound("a.wav", seconds=1.7)
    at_once = facts(run("run", pipeline(sources=file_source(path))))
    assert facts(run("run", pipeline(sources=file_source(path, realtime=True)))) == at_once


def test_a_file_gives_the_same_alone_and_among_others_and_again(
    run: Run, pipeline: Callable[..., str], sound: Callable[..., Path]
) -> None:
    for number in range(5):
        sound(f"many/{number}.wav", hertz=300 + 100 * number)
    among = facts(run("run", pipeline(sources=[{"type": "file", "path": "many"}])))
    assert len(among) == 25
    for number in (0, 4):
        name = pipeline(sources=[{"type": "file", "path": f"many/{number}.wav"}], batch={"max_batch_size": 1})
        alone = facts(run("run", name))
        assert alone == [event for event in among if event["subject"] == f"many/{number}.wav"]
        assert facts(run("run", name)) == alone


@pytest.mark.parametrize("suffix", [".flac", ".wav"])
def test_stereo_and_mono_and_lossless_formats_give_the_same_texts(
    run: Run, pipeline: Callable[..., str], sound: Callable[..., Path], tmp_path: Path, suffix: str
) -> None:
    mono = sound("mono.wav")
    samples, rate = soundfile.read(mono, always_2d=True, dtype="int16")
    stereo = tmp_path / f"stereo{suffix}"
    soundfile.write(stereo, samples.repeat(2, axis=1), rate, subtype="PCM_16")
    name = pipeline(sources=file_source(mono))
    assert facts(run("run", pipeline(sources=file_source(stereo)))) == facts(run("run", name))

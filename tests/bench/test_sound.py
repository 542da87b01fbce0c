"""The demo's sound is at hand wherever the package is."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from pengi_stream.audio.decode import duration_s
from pengi_stream.bench.sound import demo_sound

ROOT = Path(__file__).parents[2]


def test_it_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert duration_s(demo_sound()) == pytest.approx(40, abs=1)


def test_a_wheel_brings_it_with_its_credits(tmp_path: Path) -> None:
    [wheel] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        assert packed.getinfo("pengi_stream/bench/demo.flac").file_size < 0.65e6
    assert "pengi_stream/bench/demo.CREDITS.md" in names

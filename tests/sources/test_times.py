"""When files begin: told by a stamp, a clock, their names or themselves."""

import datetime
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from pydantic import ValidationError

from pengi_stream.clock import parse_rfc3339
from pengi_stream.sources.file import FileSource, FileSourceConfig
from pengi_stream.testing import FakeClock, check_source
from pengi_stream.types import NS_PER_S, BadRecord, Frame, SourceItem

MTIME_NS = 1_769_857_200_123_456_789


def _write(path: Path, seconds: float = 0.25, sample_rate: int = 16_000, channels: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (round(seconds * sample_rate), channels))
    soundfile.write(path, noise, sample_rate)
    return path


def _config(path: object, **keys: object) -> FileSourceConfig:
    return FileSourceConfig.model_validate({"type": "file", "path": path} | keys)


def _items(path: object, **keys: object) -> list[SourceItem]:
    return list(check_source(_config(path, **keys).build()))


@pytest.mark.parametrize(
    ("starts_at", "start_ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("now", 5_000 * NS_PER_S),
        ("mtime", MTIME_NS),
        ("2026-01-31T12:00:00.25+01:00", 1_769_857_200_250_000_000),
    ],
)
def test_starts_at_is_the_time_of_the_first_sample(tmp_path: Path, starts_at: str, start_ns: int) -> None:
    path = _write(tmp_path / "a.wav")
    os.utime(path, ns=(0, MTIME_NS))
    source = FileSource(_config(str(path), starts_at=starts_at), FakeClock(utc_ns=5_000 * NS_PER_S))
    frames = [item for item in source.frames() if isinstance(item, Frame)]
    assert frames[0].time.at(0) == start_ns
    assert frames[1].time.at(frames[1].first_sample) == start_ns + NS_PER_S // 10


def test_times_read_as_offsets_by_default(tmp_path: Path) -> None:
    frame = _items(str(_write(tmp_path / "a.wav")))[1]
    assert isinstance(frame, Frame)
    assert frame.time.at(frame.first_sample) == NS_PER_S // 10


def test_a_time_stamp_needs_no_quotes_in_yaml() -> None:
    given = yaml.safe_load("{path: a.wav, starts_at: 2026-01-31T12:00:00Z}")
    assert parse_rfc3339(_config(**given).starts_at) == parse_rfc3339("2026-01-31T12:00:00Z")


@pytest.mark.parametrize(
    ("name", "pattern", "starts"),
    [
        ("20260131_120000.WAV", "%Y%m%d_%H%M%S", "2026-01-31T12:00:00Z"),
        ("door-1_20260131_120000_0042.wav", "%Y%m%d_%H%M%S", "2026-01-31T12:00:00Z"),
        ("door1_2026-01-31.wav", "_%Y-%m-%d.", "2026-01-31T00:00:00Z"),
        ("2026-01-31T12.00.00.25+0100.wav", "%Y-%m-%dT%H.%M.%S.%f%z", "2026-01-31T11:00:00.250Z"),
    ],
)
def test_a_recorders_name_for_a_file_says_when_it_starts(tmp_path: Path, name: str, pattern: str, starts: str) -> None:
    frame = _items(str(_write(tmp_path / name)), starts_at=pattern)[0]
    assert isinstance(frame, Frame)
    assert frame.time.at(0) == parse_rfc3339(starts)


@pytest.mark.parametrize(
    ("name", "starts"),
    [
        ("20261024_120000.wav", "2026-10-24T10:00:00Z"),
        ("20261025_013000.wav", "2026-10-24T23:30:00Z"),
        ("20261025_033000.wav", "2026-10-25T02:30:00Z"),
        ("20261225_120000.wav", "2026-12-25T11:00:00Z"),
    ],
)
def test_a_time_in_a_name_is_of_the_zone(tmp_path: Path, name: str, starts: str) -> None:
    frame = _items(str(_write(tmp_path / name)), starts_at="%Y%m%d_%H%M%S", zone="Europe/Berlin")[0]
    assert isinstance(frame, Frame)
    assert frame.time.at(0) == parse_rfc3339(starts)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("20261025_023000.wav", "2026-10-25 02:30:00 is shown twice by clocks in Europe/Berlin, which go back then"),
        ("20260329_023000.wav", "2026-03-29 02:30:00 is shown never by clocks in Europe/Berlin, which go forward then"),
    ],
)
def test_a_time_that_the_clocks_show_twice_or_never_is_told(tmp_path: Path, name: str, reason: str) -> None:
    record, _ = _items(str(_write(tmp_path / name)), starts_at="%Y%m%d_%H%M%S", zone="Europe/Berlin")
    assert isinstance(record, BadRecord)
    assert reason in record.reason


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"starts_at": "%Y%m%d", "zone": "Europe/Berln"}, "did you mean 'Europe/Berlin'?"),
        ({"starts_at": "%Y%m%d", "zone": "../etc/passwd"}, "expected one such as Europe/Berlin"),
        ({"zone": "Europe/Berlin"}, "`zone` is of times in names and metadata"),
        ({"starts_at": "%Y%m%d%z", "zone": "Europe/Berlin"}, "without %z"),
    ],
)
def test_a_zone_that_is_none_or_has_no_use_is_refused(keys: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        _config("a.wav", **keys)


def test_metadata_says_when_a_file_starts(tmp_path: Path) -> None:
    path = _write(tmp_path / "20260131.flac")
    with soundfile.SoundFile(path, "w", 16_000, 1) as file:
        file.date = "2026-07-01T12:00:00"
        file.write(np.zeros(1_600))
    frame, _ = _items(str(path), starts_at="metadata", zone="Europe/Berlin")
    assert isinstance(frame, Frame)
    assert frame.time.at(0) == parse_rfc3339("2026-07-01T10:00:00Z")
    record, _ = _items(str(_write(tmp_path / "b.wav")), starts_at="metadata")
    assert isinstance(record, BadRecord)
    assert "says nothing of when it was recorded" in record.reason


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("kitchen.wav", "its name holds no time like '%Y%m%d'"),
        ("120260131.wav", "its name holds no time like '%Y%m%d'"),
        ("20260231.wav", "'20260231' in its name is no time"),
    ],
)
def test_a_file_whose_name_holds_no_time_is_reported_and_the_others_go_on(
    tmp_path: Path, name: str, reason: str
) -> None:
    bad, good = _write(tmp_path / name), _write(tmp_path / "20260131.wav")
    record, *rest = _items([str(bad), str(good)], starts_at="%Y%m%d")
    assert isinstance(record, BadRecord)
    assert record.reason.startswith(f"{bad}: {reason}")
    assert sum(isinstance(item, Frame) for item in rest) == 3


@pytest.mark.parametrize("starts_at", ["yesterday", "2026-01-31", "2026-01-31T12:00:00", datetime.date(2026, 1, 31)])
def test_a_start_that_is_no_time_is_refused(starts_at: object) -> None:
    with pytest.raises(ValidationError, match=r"expected now, mtime, metadata, a pattern .* or a time stamp"):
        _config("a.wav", starts_at=starts_at)


@pytest.mark.parametrize("pattern", ["%H%M%S", "%Y%m%d%", "%Y%m%d %A", "%Y%m%d_%Y"])
def test_a_pattern_that_gives_no_date_is_refused(pattern: str) -> None:
    with pytest.raises(ValidationError, match="expected %Y, %m and %d in it"):
        _config("a.wav", starts_at=pattern)

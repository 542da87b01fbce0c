import os
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pengi_stream.errors import SourceError
from pengi_stream.sounds.demo import RECORDING
from pengi_stream.sources.file import FileSource, FileSourceConfig
from pengi_stream.sources.found import find_files
from pengi_stream.testing import FakeClock, check_source, context
from pengi_stream.types import NS_PER_S, BadRecord, Frame, SourceItem, StreamEnd


def _write(path: Path, seconds: float = 0.25, sample_rate: int = 16_000, channels: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (round(seconds * sample_rate), channels))
    soundfile.write(path, noise, sample_rate)
    return path


def _config(path: object, **keys: object) -> FileSourceConfig:
    return FileSourceConfig.model_validate({"type": "file", "path": path} | keys)


def _items(path: object, **keys: object) -> list[SourceItem]:
    return list(check_source(_config(path, **keys)))


def _ended(items: list[SourceItem]) -> list[str]:
    return [Path(item.stream.id).name for item in items if isinstance(item, StreamEnd)]


@pytest.mark.parametrize("sample_rate", [8_000, 11_025, 44_100, 192_000])
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_a_file_is_one_stream_of_tenths_of_a_second(tmp_path: Path, sample_rate: int, channels: int) -> None:
    path = _write(tmp_path / "a.wav", 0.25, sample_rate, channels)
    *frames, end = _items(str(path))
    assert isinstance(end, StreamEnd)
    grid = sample_rate // 10
    total = round(0.25 * sample_rate)
    assert [(frame.first_sample, len(frame.samples)) for frame in frames] == [
        (0, grid),
        (grid, grid),
        (2 * grid, total - 2 * grid),
    ]
    assert {(f.stream.id, f.stream.session, f.sample_rate, f.samples.shape[1], f.position) for f in frames} == {
        (str(path), "", sample_rate, channels, None)
    }


def test_a_clip_of_two_tenths_of_a_second_is_heard(tmp_path: Path) -> None:
    items = _items(str(_write(tmp_path / "clip.wav", 0.2)))
    assert sum(len(item.samples) for item in items if isinstance(item, Frame)) == 3_200


def test_a_folder_gives_all_audio_below_it_in_order(tmp_path: Path) -> None:
    for name in ["b.flac", "a.wav", "deep/er/c.OGG", "d.mp3"]:
        _write(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no audio")
    assert _ended(_items(str(tmp_path))) == ["a.wav", "b.flac", "d.mp3", "c.OGG"]


def test_a_glob_gives_what_matches_in_order(tmp_path: Path) -> None:
    for name in ["b.wav", "a.wav", "a.flac", "deep/c.wav"]:
        _write(tmp_path / name)
    assert _ended(_items(str(tmp_path / "*.wav"))) == ["a.wav", "b.wav"]
    assert _ended(_items(str(tmp_path / "**/*.wav"))) == ["a.wav", "b.wav", "c.wav"]


def test_a_list_is_read_as_given_and_each_file_once(tmp_path: Path) -> None:
    b, a = _write(tmp_path / "b.wav"), _write(tmp_path / "a.wav")
    assert _ended(_items([str(b), str(a), str(tmp_path / "*.wav")])) == ["b.wav", "a.wav"]


def test_demo_is_the_recording_in_the_package_unless_a_file_has_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_files(["demo"]).paths == [str(RECORDING)]
    (tmp_path / "demo").touch()
    assert find_files(["demo"]).paths == ["demo"]


def test_brackets_in_the_name_of_a_file_are_no_glob(tmp_path: Path) -> None:
    path = _write(tmp_path / "take [1].wav")
    assert _ended(_items(str(path))) == ["take [1].wav"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("bad.wav", b"", "the file is empty"),
        ("bad.wav", b"Dear diary\n" * 9, "is no audio"),
        ("gone.wav", None, "there is no such file"),
        ("gone*.wav", None, "there is no such file"),
    ],
)
def test_a_bad_file_is_reported_and_the_others_go_on(
    tmp_path: Path, name: str, content: bytes | None, reason: str
) -> None:
    good, bad = _write(tmp_path / "good.wav"), tmp_path / name
    if content is not None:
        bad.write_bytes(content)
    items = _items([str(bad), str(good)])
    assert isinstance(items[0], BadRecord)
    assert items[0].reason.startswith(f"{bad}: {reason}")
    assert items[0].exception == "AudioError"
    assert _ended(items) == [bad.name, "good.wav"]
    assert sum(isinstance(item, Frame) for item in items) == 3


def test_a_folder_with_one_bad_file_reports_it_and_gives_the_rest(tmp_path: Path) -> None:
    _write(tmp_path / "a.wav")
    (tmp_path / "b.wav").write_text("Dear diary")
    _write(tmp_path / "c.wav")
    items = _items(str(tmp_path))
    assert [Path(item.stream.id).name for item in items if isinstance(item, BadRecord)] == ["b.wav"]
    assert {Path(item.stream.id).name for item in items if isinstance(item, Frame)} == {"a.wav", "c.wav"}


def test_a_folder_without_audio_is_reported(tmp_path: Path) -> None:
    record, end = _items(str(tmp_path))
    assert isinstance(record, BadRecord)
    assert record.reason.startswith(f"{tmp_path}: the folder holds no audio file")
    assert isinstance(end, StreamEnd)


def test_a_folder_keeps_no_silence_about_sound_that_it_cannot_read(tmp_path: Path) -> None:
    for name in ["talk.m4a", "clip.mp4", "call.webm"]:
        (tmp_path / name).write_bytes(b"\0\0\0\x20ftypM4A " + bytes(99))
    for name in ["b.caf", "c.voc"]:
        _write(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no audio")
    (tmp_path / "._a.wav").write_bytes(b"what macOS keeps")
    items = _items(str(tmp_path))
    assert _ended(items) == ["b.caf", "c.voc", "call.webm", "clip.mp4", "talk.m4a"]
    reasons = [item.reason for item in items if isinstance(item, BadRecord)]
    m4a = tmp_path / "talk.m4a"
    assert reasons[-1] == (
        f"{m4a}: is MP4 or M4A, which is not read; make a WAV of it: ffmpeg -i {m4a} {m4a.with_suffix('.wav')}"
    )
    assert len(reasons) == 3
    found = find_files([str(tmp_path)])
    assert (found.left_out, found.kinds_left_out) == ((str(tmp_path / "notes.txt"),), [".txt"])


def test_a_folder_that_may_not_be_looked_into_is_reported_and_the_rest_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path / "a.wav"), _write(tmp_path / "secret/b.wav")
    real, secret = os.scandir, str(tmp_path / "secret")

    def guarded(path: str) -> object:  # tests may run as root, whom no permission holds
        if str(path) == secret:
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", guarded)
    monkeypatch.setattr(Path, "iterdir", lambda self: guarded(str(self)))
    items = _items(str(tmp_path))
    assert [item.reason for item in items if isinstance(item, BadRecord)] == [
        f"{secret}: permission denied; make it readable for the user that runs this"
    ]
    assert any(isinstance(item, Frame) for item in items)


def test_a_pipe_is_not_called_an_empty_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.wav")
    record, _ = _items(str(tmp_path / "fifo.wav"))
    assert isinstance(record, BadRecord)
    assert "is a pipe or a device, expected a file" in record.reason


def test_a_truncated_file_gives_its_good_part_then_the_report_then_the_end(tmp_path: Path) -> None:
    path = _write(tmp_path / "cut.wav", 1.0)
    path.write_bytes(path.read_bytes()[: 44 + 2 * 8_000])
    *frames, record, end = _items(str(path))
    assert sum(len(frame.samples) for frame in frames) == 8_000
    assert isinstance(record, BadRecord)
    assert "truncated: it ends after 0.50 s" in record.reason
    assert record.time_ns == NS_PER_S // 2
    assert isinstance(end, StreamEnd)


def test_the_id_of_a_stream_is_the_path_as_given_however_it_is_spelt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _write(tmp_path / "d/a.wav")
    for given in ("d/a.wav", "./d/a.wav", "d//a.wav", "d/./a.wav", "./d/", "d", "./d/*.wav", ["d/a.wav", "./d/a.wav"]):
        assert {item.stream.id for item in _items(given)} == {"d/a.wav"}
        assert len(_ended(_items(given))) == 1


def test_one_file_may_be_named_by_the_user(tmp_path: Path) -> None:
    items = _items(str(_write(tmp_path / "a.wav")), stream_id="kitchen", live=True)
    assert {(item.stream.id, item.stream.live) for item in items} == {("kitchen", True)}


def test_one_name_for_two_files_is_refused(tmp_path: Path) -> None:
    _write(tmp_path / "a.wav"), _write(tmp_path / "b.wav")
    with pytest.raises(SourceError, match="stream_id 'kitchen' stands for 2 files"):
        list(_config(str(tmp_path), stream_id="kitchen").build(context()).frames())


class _SteppedEvent(threading.Event):
    """Waits by advancing the clock."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._fake = clock

    def wait(self, timeout: float | None = None) -> bool:
        self._fake.advance(timeout or 0)
        return self.is_set()


def test_in_real_time_frames_come_when_they_would_have_been_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    monkeypatch.setattr(threading, "Event", lambda: _SteppedEvent(clock))
    source = FileSource(_config(str(_write(tmp_path / "a.wav")), realtime=True), clock)
    times_s = [clock.monotonic_s() for item in source.frames() if isinstance(item, Frame)]
    assert times_s == pytest.approx([0.1, 0.2, 0.25])


def test_in_real_time_the_frames_are_the_same(tmp_path: Path) -> None:
    path = str(_write(tmp_path / "a.wav"))
    fast, real = _items(path), _items(path, realtime=True)
    assert [type(item) for item in fast] == [type(item) for item in real]
    for one, other in zip(fast[:-1], real[:-1], strict=True):
        assert isinstance(one, Frame)
        assert isinstance(other, Frame)
        assert (one.first_sample, one.time) == (other.first_sample, other.time)
        np.testing.assert_array_equal(one.samples, other.samples)


def test_close_frees_a_source_that_waits_for_its_time(tmp_path: Path) -> None:
    """The clock stands still and each frame is due a tenth of a second later, so it would take a minute."""
    config = _config(str(_write(tmp_path / "a.wav", 60)), realtime=True)
    items = check_source(config, close_after=1, timeout_s=5, within=context(clock=FakeClock()))
    assert len(items) < 20

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from given import GivenSource

from pengi_stream.errors import SourceError
from pengi_stream.plugins import config_class
from pengi_stream.sources.microphone import MicrophoneSource, MicrophoneSourceConfig, find_device, list_devices
from pengi_stream.testing import FakeClock, check_source, context
from pengi_stream.types import NS_PER_S, Frame, Gap, SourceItem, StreamEnd

Hear = Callable[..., None]
"""Lets the device give a block: hear(value, samples=1_600, overflow=False)"""


class _PortAudioError(Exception):
    pass


class _FakePortAudio:
    """Three devices; a stream that gives, on start, what `script` lets it."""

    PortAudioError = _PortAudioError

    def __init__(self, script: Callable[[Hear], None] = lambda hear: None, default: int = 2) -> None:
        self._script = script
        self.default = SimpleNamespace(device=(default, 0))
        self.names = [("HDMI out", 0), ("sysdefault", 2), ("default", 2), ("USB Audio", 1)]
        self.opened: dict[str, object] = {}
        self.refuses = False

    def query_hostapis(self) -> Sequence[dict[str, object]]:
        return [{"name": "ALSA"}]

    def query_devices(self) -> Sequence[dict[str, object]]:
        return [
            {"index": index, "name": name, "hostapi": 0, "max_input_channels": channels, "default_samplerate": 16_000.0}
            for index, (name, channels) in enumerate(self.names)
        ]

    def InputStream(self, **keys: object) -> "_FakePortAudio":  # noqa: N802  sounddevice's name
        if self.refuses:
            raise _PortAudioError("Invalid sample rate")
        self.opened = keys
        return self

    def start(self) -> None:
        self._script(self._hear)

    def __enter__(self) -> "_FakePortAudio":
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def finish(self) -> None:
        self.opened["finished_callback"]()  # type: ignore[operator]

    def _hear(self, value: float, samples: int = 1_600, *, overflow: bool = False) -> None:
        block = np.full((samples, self.opened["channels"]), value, np.float32)  # type: ignore[call-overload]
        self.opened["callback"](block, samples, None, SimpleNamespace(input_overflow=overflow))  # type: ignore[operator]
        block[:] = np.nan  # PortAudio uses its memory again


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> _FakePortAudio:
    fake = _FakePortAudio()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)  # type: ignore[arg-type]
    return fake


def _config(**keys: object) -> MicrophoneSourceConfig:
    return MicrophoneSourceConfig.model_validate({"type": "microphone"} | keys)


def _items(
    monkeypatch: pytest.MonkeyPatch, script: Callable[[Hear], None], clock: FakeClock, **keys: object
) -> list[SourceItem]:
    """What a microphone gives of `script`, closed when that is over."""
    source = MicrophoneSource(_config(**keys), clock)

    def script_then_close(hear: Hear) -> None:
        script(hear)
        source.close()

    monkeypatch.setitem(sys.modules, "sounddevice", _FakePortAudio(script_then_close))  # type: ignore[arg-type]
    return list(check_source(GivenSource(part=source)))


def test_blocks_follow_each_other_in_a_live_stream_that_began_with_its_first_sample(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def script(hear: Hear) -> None:
        clock.advance(2.1)  # a device that starts slowly
        hear(0.25)
        hear(0.5)

    clock = FakeClock(utc_ns=3_600 * NS_PER_S)
    first, second, end = _items(monkeypatch, script, clock, channels=2)
    assert isinstance(first, Frame)
    assert isinstance(second, Frame)
    assert (first.stream.id, first.stream.session, first.stream.live) == ("default", "1970-01-01T01:00:02.000Z", True)
    assert (first.first_sample, second.first_sample, second.sample_rate) == (0, 1_600, 16_000)
    assert second.time.at(second.first_sample) == 3_602 * NS_PER_S + NS_PER_S // 10
    np.testing.assert_array_equal(first.samples, np.full((1_600, 2), 0.25, np.float32))
    assert isinstance(end, StreamEnd)


def test_an_overflow_is_a_gap_as_long_as_the_clock_says(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()

    def script(hear: Hear) -> None:
        hear(0.1)
        clock.advance(0.6)  # half a second more than the next block
        hear(0.2, overflow=True)

    _, gap, frame, _ = _items(monkeypatch, script, clock)
    assert isinstance(gap, Gap)
    assert isinstance(frame, Frame)
    assert (gap.first_sample, gap.missing_samples, gap.reason) == (1_600, 8_000, "device overflow")
    assert frame.first_sample == 9_600


def test_a_slow_device_clock_does_not_add_up_in_a_later_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()

    def script(hear: Hear) -> None:
        for _ in range(50):
            hear(0.1)
            clock.advance(0.101)
        hear(0.2, overflow=True)

    gaps = [item for item in _items(monkeypatch, script, clock) if isinstance(item, Gap)]
    assert [gap.missing_samples for gap in gaps] == [16]  # a millisecond


@pytest.mark.parametrize("blocks_before", [0, 1])
def test_an_overflow_that_the_clock_does_not_see_is_still_a_gap(
    monkeypatch: pytest.MonkeyPatch, blocks_before: int
) -> None:
    def script(hear: Hear) -> None:
        for _ in range(blocks_before):
            hear(0.1)
        hear(0.2, overflow=True)

    gaps = [item for item in _items(monkeypatch, script, FakeClock()) if isinstance(item, Gap)]
    assert [gap.missing_samples for gap in gaps] == [1]


def test_what_nobody_fetched_in_ten_seconds_becomes_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    def script(hear: Hear) -> None:
        for number in range(103):
            hear(number / 128)

    gap, first, *rest = _items(monkeypatch, script, FakeClock())
    assert isinstance(gap, Gap)
    assert isinstance(first, Frame)
    assert (gap.first_sample, gap.missing_samples, gap.reason) == (0, 3 * 1_600, "not fetched within 10 s")
    assert (first.first_sample, first.samples[0, 0]) == (3 * 1_600, np.float32(3 / 128))
    assert len(rest) == 100  # 99 frames and the end


def test_a_microphone_that_is_unplugged_ends_with_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def script(hear: Hear) -> None:
        hear(0.1)
        unplugged.finish()

    unplugged = _FakePortAudio(script)
    monkeypatch.setitem(sys.modules, "sounddevice", unplugged)  # type: ignore[arg-type]
    items = MicrophoneSource(_config(), FakeClock()).frames()
    assert isinstance(next(items), Frame)
    with pytest.raises(SourceError, match="microphone 'default' stopped"):
        next(items)


def test_a_device_that_cannot_be_opened_so_is_named_with_what_was_asked(portaudio: _FakePortAudio) -> None:
    portaudio.refuses = True
    with pytest.raises(SourceError) as raised:
        next(_config(sample_rate=96_000, channels=2).build(context()).frames())
    assert str(raised.value).startswith(
        "microphone 'default' cannot be opened at 96000 Hz with 2 channel(s): Invalid sample rate"
    )


def test_the_rate_and_the_channels_that_were_asked_are_opened_in_tenths_of_a_second(portaudio: _FakePortAudio) -> None:
    source = _config(sample_rate=48_000, channels=2, device="usb").build(context())
    source.close()
    list(source.frames())
    asked = {key: portaudio.opened[key] for key in ("device", "samplerate", "channels", "blocksize", "dtype")}
    assert asked == {"device": 3, "samplerate": 48_000, "channels": 2, "blocksize": 4_800, "dtype": "float32"}


@pytest.mark.parametrize(
    ("wanted", "name"), [(None, "default"), (1, "sysdefault"), ("default", "default"), ("usb", "USB Audio")]
)
def test_a_microphone_is_found_by_number_name_or_part_of_it(
    portaudio: _FakePortAudio, wanted: int | str | None, name: str
) -> None:
    assert find_device(wanted).name == name


def test_without_a_default_the_first_microphone_is_taken(portaudio: _FakePortAudio) -> None:
    portaudio.default.device = (-1, -1)
    assert find_device(None).name == "sysdefault"


@pytest.mark.parametrize("wanted", ["bluetooth", 0, 9])
def test_an_unknown_microphone_is_answered_with_those_there_are(portaudio: _FakePortAudio, wanted: int | str) -> None:
    with pytest.raises(SourceError) as raised:
        find_device(wanted)
    assert str(raised.value) == f"no microphone {wanted!r}; found 1 'sysdefault', 2 'default', 3 'USB Audio'"


def test_a_machine_without_a_microphone_says_so(portaudio: _FakePortAudio) -> None:
    portaudio.names = portaudio.names[:1]
    with pytest.raises(SourceError, match="no microphone found"):
        next(_config().build(context()).frames())


def test_devices_are_listed_with_the_default_marked(portaudio: _FakePortAudio) -> None:
    devices = list_devices()
    assert [(device.index, device.max_input_channels, device.is_default) for device in devices] == [
        (0, 0, False),
        (1, 2, False),
        (2, 2, True),
        (3, 1, False),
    ]
    assert {(device.host_api, device.default_sample_rate) for device in devices} == {("ALSA", 16_000)}


def test_a_machine_without_portaudio_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(SourceError, match=r"PortAudio is not installed.*apt-get install libportaudio2"):
        next(_config().build(context()).frames())


def test_the_config_loads_without_portaudio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)  # type: ignore[arg-type]
    config = config_class("sources", "microphone").model_validate({"type": "microphone"})
    assert isinstance(config.build(context()), MicrophoneSource)

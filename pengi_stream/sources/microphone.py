"""A microphone, through PortAudio."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from pengi_stream.audio.pcm import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE
from pengi_stream.clock import Clock, rfc3339
from pengi_stream.errors import SourceError
from pengi_stream.plugins import SourceConfig
from pengi_stream.protocols import AudioSource, Context
from pengi_stream.types import NS_PER_S, Frame, Gap, Samples, SourceItem, Stream, StreamEnd, TimeMap

if TYPE_CHECKING:
    import sounddevice

FRAMES_PER_S = 10
WAITING_BLOCKS = 100  # 10 s that nobody has fetched


@dataclass(frozen=True, slots=True)
class Device:
    """An audio device as PortAudio sees it."""

    index: int
    name: str
    host_api: str
    max_input_channels: int
    default_sample_rate: int
    """Hertz"""
    is_default: bool


@dataclass(frozen=True, slots=True)
class Block:
    """What the device gave at once, and how many samples were lost before."""

    samples: Samples  # (time, channels)
    lost_samples: int
    reason: str = "device overflow"


class MicrophoneSourceConfig(SourceConfig):
    """A microphone; `pengi-stream devices` lists them."""

    type: Literal["microphone"]
    live: bool = True
    device: int | str | None = None
    """Number, or a part of the name; null: the system's default"""
    sample_rate: int | None = Field(default=None, ge=MIN_SAMPLE_RATE, le=MAX_SAMPLE_RATE)
    """Null: the device's own"""
    channels: int = Field(default=1, ge=1, le=64)
    stream_id: str | None = None
    """Default: the device's name"""

    def build(self, context: Context) -> MicrophoneSource:
        return MicrophoneSource(self, context.clock)


class MicrophoneSource(AudioSource):
    """Gives what the microphone hears until it is closed; samples that the device lost are gaps."""

    def __init__(self, config: MicrophoneSourceConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._blocks: deque[Block] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._unplugged = False
        self._sample_rate = 0
        self._start_ns = 0
        self._heard_at_s: float | None = None

    def frames(self) -> Iterator[SourceItem]:
        portaudio = _portaudio()
        device = find_device(self._config.device)
        self._sample_rate = self._config.sample_rate or device.default_sample_rate
        with self._open(portaudio, device):
            yield from self._heard(device.name)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _heard(self, device_name: str) -> Iterator[Frame | Gap | StreamEnd]:
        if not self._wait(device_name):
            return
        stream = Stream(self._config.stream_id or device_name, rfc3339(self._start_ns), live=self._config.live)
        time = TimeMap(0, self._start_ns, self._sample_rate)
        first_sample = 0
        while (block := self._next(device_name)) is not None:
            if block.lost_samples:
                yield Gap(stream, first_sample, block.lost_samples, self._sample_rate, time, block.reason)
                first_sample += block.lost_samples
            yield Frame(stream, first_sample, block.samples, self._sample_rate, time)
            first_sample += len(block.samples)
        yield StreamEnd(stream)

    def _open(self, portaudio: ModuleType, device: Device) -> sounddevice.InputStream:
        try:
            opened = portaudio.InputStream(
                device=device.index,
                samplerate=self._sample_rate,
                channels=self._config.channels,
                blocksize=self._sample_rate // FRAMES_PER_S,
                dtype="float32",
                callback=self._take,
                finished_callback=self._finished,
            )
            opened.start()
        except portaudio.PortAudioError as error:
            raise SourceError(
                f"microphone {device.name!r} cannot be opened at {self._sample_rate} Hz with {self._config.channels} "
                f"channel(s): {error}; try another sample_rate or channels"
            ) from error
        return opened

    def _take(self, samples: Samples, count: int, _: Any, status: sounddevice.CallbackFlags) -> None:
        """PortAudio's thread: copy, and never wait for long."""
        now_s = self._clock.monotonic_s()
        with self._changed:
            lost_samples = self._lost_samples(now_s, count) if status.input_overflow else 0
            if self._heard_at_s is None:  # not when it was opened: PulseAudio takes seconds to give the first sample
                self._start_ns = self._clock.utc_ns() - count * NS_PER_S // self._sample_rate
            self._heard_at_s = now_s
            self._blocks.append(Block(np.array(samples), lost_samples))
            if len(self._blocks) > WAITING_BLOCKS:
                self._drop_oldest()
            self._changed.notify_all()

    def _lost_samples(self, now_s: float, count: int) -> int:
        """What fits between the last block and this one, by the clock: from the start on it would add up its drift."""
        since_s = 0.0 if self._heard_at_s is None else now_s - self._heard_at_s
        return max(1, round(since_s * self._sample_rate) - count)

    def _drop_oldest(self) -> None:
        dropped, first = self._blocks.popleft(), self._blocks.popleft()
        lost_samples = dropped.lost_samples + len(dropped.samples) + first.lost_samples
        self._blocks.appendleft(Block(first.samples, lost_samples, "not fetched within 10 s"))

    def _finished(self) -> None:
        with self._changed:
            self._unplugged = True
            self._changed.notify_all()

    def _next(self, device_name: str) -> Block | None:
        """The next block; None: closed. Raises SourceError when the device is gone."""
        with self._changed:
            return self._blocks.popleft() if self._wait(device_name) else None

    def _wait(self, device_name: str) -> bool:
        """Until there is a block; False: closed. Raises SourceError when the device is gone."""
        with self._changed:
            self._changed.wait_for(lambda: self._blocks or self._closed or self._unplugged)
            if not self._blocks and not self._closed:
                raise SourceError(f"microphone {device_name!r} stopped; check the device and start again")
            return bool(self._blocks)


def list_devices() -> list[Device]:
    """All audio devices. Raises SourceError where PortAudio is missing."""
    portaudio = _portaudio()
    host_apis = portaudio.query_hostapis()
    default = portaudio.default.device[0]
    return [
        Device(
            index=entry["index"],
            name=entry["name"],
            host_api=host_apis[entry["hostapi"]]["name"],
            max_input_channels=entry["max_input_channels"],
            default_sample_rate=round(entry["default_samplerate"]),
            is_default=entry["index"] == default,
        )
        for entry in portaudio.query_devices()
    ]


def find_device(wanted: int | str | None) -> Device:
    """The microphone of that number, or with that in its name. Raises SourceError, which lists what there is."""
    microphones = [device for device in list_devices() if device.max_input_channels > 0]
    if not microphones:
        raise SourceError("no microphone found; plug one in, and see it with `pengi-stream devices`")
    if wanted is None:
        return next((device for device in microphones if device.is_default), microphones[0])
    exact = [device for device in microphones if wanted in {device.index, device.name}]
    part = wanted.lower() if isinstance(wanted, str) else None
    matching = exact or [device for device in microphones if part is not None and part in device.name.lower()]
    if matching:
        return matching[0]
    known = ", ".join(f"{device.index} {device.name!r}" for device in microphones)
    raise SourceError(f"no microphone {wanted!r}; found {known}")


def _portaudio() -> ModuleType:
    try:
        import sounddevice
    except OSError as error:
        raise SourceError("PortAudio is not installed; on Debian and Ubuntu: apt-get install libportaudio2") from error
    return sounddevice  # type: ignore[no-any-return]

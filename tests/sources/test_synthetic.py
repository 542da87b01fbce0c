import itertools

import numpy as np
import pytest

from pengi_stream.sources.synthetic import SyntheticSource, SyntheticSourceConfig
from pengi_stream.testing import FakeClock, check_source, context
from pengi_stream.types import Frame, Samples, StreamEnd

SOUNDS = ["silence", "sine", "noise", "chirp", "beeps"]


def _config(**keys: object) -> SyntheticSourceConfig:
    return SyntheticSourceConfig.model_validate({"type": "synthetic", "duration_s": 2} | keys)


def _heard(stream_id: str = "synthetic-0", **keys: object) -> Samples:
    items = _config(**keys).build(context()).frames()
    return np.concatenate([i.samples[:, 0] for i in items if isinstance(i, Frame) and i.stream.id == stream_id])


def _rms_dbfs(samples: Samples) -> float:
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64))))


def _loudest_hz(samples: Samples, sample_rate: int = 16_000) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(samples))) * sample_rate / len(samples))


@pytest.mark.parametrize("sound", SOUNDS)
def test_every_sound_keeps_the_contract_of_sources(sound: str) -> None:
    items = check_source(_config(sound=sound, streams=3, duration_s=0.35))
    assert sum(isinstance(item, StreamEnd) for item in items) == 3
    assert sum(len(item.samples) for item in items if isinstance(item, Frame)) == 3 * 5_600


@pytest.mark.parametrize("sound", SOUNDS)
def test_two_runs_give_the_same_samples(sound: str) -> None:
    np.testing.assert_array_equal(_heard(sound=sound), _heard(sound=sound))


def test_noise_differs_from_stream_to_stream_and_from_seed_to_seed() -> None:
    assert not np.array_equal(
        _heard("synthetic-0", sound="noise", streams=2), _heard("synthetic-1", sound="noise", streams=2)
    )
    assert not np.array_equal(_heard(sound="noise", seed=1), _heard(sound="noise", seed=2))


@pytest.mark.parametrize("sound", ["sine", "noise", "chirp"])
def test_the_level_is_the_rms_of_the_sound(sound: str) -> None:
    assert _rms_dbfs(_heard(sound=sound, level_dbfs=-30)) == pytest.approx(-30, abs=0.2)


def test_silence_is_digital_silence() -> None:
    assert not _heard(sound="silence").any()


def test_a_sine_has_its_frequency_across_frames() -> None:
    assert _loudest_hz(_heard(sound="sine", frequency_hz=1_000)) == 1_000


def test_a_chirp_rises_two_octaves_in_a_second() -> None:
    chirp = _heard(sound="chirp", frequency_hz=500)
    assert _loudest_hz(chirp[:800]) == pytest.approx(500, rel=0.1)
    assert _loudest_hz(chirp[7_600:8_400]) == pytest.approx(1_000, rel=0.1)
    assert _loudest_hz(chirp[15_200:16_000]) == pytest.approx(2_000, rel=0.1)


def test_beeps_sound_in_the_first_half_of_each_second() -> None:
    halves = _heard(sound="beeps", level_dbfs=-20).reshape(-1, 8_000)
    assert [half.any() for half in halves] == [True, False, True, False]
    assert _rms_dbfs(halves[0]) == pytest.approx(-20, abs=0.1)


def test_streams_without_a_duration_go_on_until_closed() -> None:
    items = check_source(_config(duration_s=None, streams=2), close_after=50)
    assert len(items) >= 50
    assert not any(isinstance(item, StreamEnd) for item in items)


def test_close_frees_a_source_that_waits_for_its_time() -> None:
    """The clock stands still, so the first frame would never be due."""
    source = SyntheticSource(_config(realtime=True), FakeClock())
    source.close()
    assert next(iter(source.frames()), None) is None


def test_live_streams_say_so() -> None:
    frame = next(itertools.islice(_config(live=True).build(context()).frames(), 1))
    assert frame.stream.live

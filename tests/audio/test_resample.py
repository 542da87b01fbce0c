import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pengi_stream.audio.resample import Resampler, resample
from pengi_stream.types import Samples

RATES = [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000]


def _noise(n: int) -> Samples:
    return np.random.default_rng(n).standard_normal(n).astype(np.float32) * np.float32(0.2)


def _in_pieces(mono: Samples, cuts: list[int], in_rate: int, out_rate: int) -> Samples:
    resampler = Resampler(in_rate, out_rate)
    out = [resampler.push(piece) for piece in np.split(mono, cuts)]
    return np.concatenate([*out, resampler.flush()])


@pytest.mark.parametrize("piece", [1, 7, 4097])
@pytest.mark.parametrize("in_rate", [8_000, 16_000, 44_100, 192_000])
def test_fixed_pieces_give_the_same_bits_as_the_whole(in_rate: int, piece: int) -> None:
    mono = _noise(20_000)
    streamed = _in_pieces(mono, list(range(piece, len(mono), piece)), in_rate, 16_000)
    np.testing.assert_array_equal(streamed, resample(mono, in_rate, 16_000))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(RATES),
    st.sampled_from(RATES),
    st.integers(0, 12_000),
    st.lists(st.integers(0, 12_000), max_size=40),
)
def test_any_pieces_give_the_same_bits_as_the_whole(in_rate: int, out_rate: int, n: int, cuts: list[int]) -> None:
    mono = _noise(n)
    streamed = _in_pieces(mono, sorted(min(cut, n) for cut in cuts), in_rate, out_rate)
    np.testing.assert_array_equal(streamed, resample(mono, in_rate, out_rate))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(RATES), st.sampled_from(RATES), st.integers(0, 20_000))
def test_the_length_is_that_of_the_same_time_to_half_a_sample(in_rate: int, out_rate: int, n: int) -> None:
    assert abs(len(resample(_noise(n), in_rate, out_rate)) - n * out_rate / in_rate) <= 0.5


@pytest.mark.parametrize("in_rate", RATES)
def test_an_output_sample_lies_at_the_time_of_its_index(in_rate: int) -> None:
    """A sine is compared with the same sine sampled at the other rate: a delay of a sample would show."""
    frequency_hz, out_rate = 1_000, 16_000
    seconds = np.arange(in_rate) / in_rate
    out = resample(np.sin(2 * np.pi * frequency_hz * seconds).astype(np.float32), in_rate, out_rate)
    expected = np.sin(2 * np.pi * frequency_hz * np.arange(out_rate) / out_rate)
    middle = slice(out_rate // 10, -out_rate // 10)
    np.testing.assert_allclose(out[middle], expected[middle], atol=1e-3)


@pytest.mark.parametrize("in_rate", RATES)
@pytest.mark.parametrize("out_rate", [16_000, 32_000, 44_100])
def test_a_replay_that_begins_a_filter_length_earlier_gives_the_same_samples(in_rate: int, out_rate: int) -> None:
    mono = _noise(in_rate // 2)
    whole = resample(mono, in_rate, out_rate)
    step = in_rate // np.gcd(in_rate, out_rate)  # input samples between inputs that lie on a whole output sample
    start = in_rate // 4 // step * step
    replayed = resample(mono[start:], in_rate, out_rate)
    behind = start * out_rate // in_rate
    pre_roll = -(-Resampler(in_rate, out_rate).filter_samples * out_rate // in_rate)
    np.testing.assert_allclose(replayed[pre_roll:], whole[behind + pre_roll :], atol=1e-6)


def test_an_equal_rate_passes_samples_through_and_needs_no_pre_roll() -> None:
    mono = _noise(100)
    resampler = Resampler(16_000, 16_000)
    assert resampler.push(mono) is mono
    assert len(resampler.flush()) == 0
    assert resampler.filter_samples == 0

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pengi_stream.audio.pcm import AudioFormat, decode_pcm, to_mono
from pengi_stream.errors import AudioError


def _format(encoding: str, channels: int = 1) -> AudioFormat:
    return AudioFormat(encoding=encoding, sample_rate=16_000, channels=channels)


# The least, zero, a half and the greatest value of each encoding, written by hand.
LADDERS = {
    "u8": bytes([0, 128, 192, 255]),
    "s16le": struct.pack("<4h", -(2**15), 0, 2**14, 2**15 - 1),
    "s16be": struct.pack(">4h", -(2**15), 0, 2**14, 2**15 - 1),
    "s24le": b"\x00\x00\x80" + b"\x00\x00\x00" + b"\x00\x00\x40" + b"\xff\xff\x7f",
    "s32le": struct.pack("<4i", -(2**31), 0, 2**30, 2**31 - 2**8),
    "f32le": struct.pack("<4f", -1, 0, 0.5, 1 - 2**-24),
}
STEP = {"u8": 2**-7, "s16le": 2**-15, "s16be": 2**-15, "s24le": 2**-23, "s32le": 2**-23, "f32le": 2**-24}


@pytest.mark.parametrize("encoding", LADDERS)
def test_each_encoding_spans_minus_one_to_just_below_one(encoding: str) -> None:
    samples = decode_pcm(LADDERS[encoding], _format(encoding))
    assert samples.dtype == np.float32
    assert samples.shape == (4, 1)
    np.testing.assert_array_equal(samples[:, 0], np.float32([-1, 0, 0.5, 1 - STEP[encoding]]))


def test_channels_are_interleaved() -> None:
    samples = decode_pcm(struct.pack("<6h", 1, 2, 3, 4, 5, 6), _format("s16le", channels=3))
    np.testing.assert_array_equal(samples * 2**15, [[1, 2, 3], [4, 5, 6]])


@given(st.integers(-(2**23), 2**23 - 1))
def test_24_bits_keep_their_exact_value(value: int) -> None:
    data = value.to_bytes(3, "little", signed=True)
    assert decode_pcm(data, _format("s24le"))[0, 0] == value / 2**23


@pytest.mark.parametrize("encoding", LADDERS)
def test_no_bytes_are_no_samples(encoding: str) -> None:
    assert decode_pcm(b"", _format(encoding, channels=2)).shape == (0, 2)


def test_bytes_that_end_within_a_sample_are_refused_with_the_sizes() -> None:
    with pytest.raises(AudioError, match=r"found 5 bytes of s16le with 2 channel\(s\), expected a multiple of 4"):
        decode_pcm(bytes(5), _format("s16le", channels=2))


def test_mono_is_the_mean_of_the_channels() -> None:
    samples = np.float32([[1, 0, 0.5], [-1, 1, 0]])
    np.testing.assert_array_equal(to_mono(samples), np.float32([0.5, 0]))


def test_opposite_channels_cancel() -> None:
    left = np.linspace(-1, 1, 100, dtype=np.float32)
    assert not to_mono(np.stack([left, -left], axis=1)).any()


@pytest.mark.parametrize(
    ("encoding", "size"), [("u8", 2), ("s16le", 4), ("s16be", 4), ("s24le", 6), ("s32le", 8), ("f32le", 8)]
)
def test_a_format_knows_the_bytes_of_a_sample_of_all_channels(encoding: str, size: int) -> None:
    assert _format(encoding, channels=2).frame_bytes == size


@pytest.mark.parametrize(
    "wrong", [{"sample_rate": 7_999}, {"sample_rate": 192_001}, {"channels": 0}, {"encoding": "mulaw"}]
)
def test_a_format_out_of_range_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        AudioFormat.model_validate({"encoding": "s16le", "sample_rate": 16_000, "channels": 1} | wrong)

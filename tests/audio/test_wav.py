import io
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from pengi_stream.audio.wav import parse_wav_header
from pengi_stream.errors import AudioError

SUBTYPES = {"PCM_U8": "u8", "PCM_16": "s16le", "PCM_24": "s24le", "PCM_32": "s32le", "FLOAT": "f32le"}


def _wav(subtype: str = "PCM_16", channels: int = 1, container: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros((100, channels)), 44_100, subtype=subtype, format=container)
    return file.getvalue()


def _header(data_bytes: int, before: bytes = b"") -> bytes:
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16_000, 32_000, 2, 16)
    return b"RIFF" + bytes(4) + b"WAVE" + before + form + struct.pack("<4sI", b"data", data_bytes)


@pytest.mark.parametrize("container", ["WAV", "WAVEX"])
@pytest.mark.parametrize("subtype", SUBTYPES)
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_plain_and_extensible_headers_say_how_samples_are_encoded(subtype: str, channels: int, container: str) -> None:
    data = _wav(subtype, channels, container)
    parsed = parse_wav_header(data)
    assert parsed is not None
    header, length = parsed
    assert (header.audio.encoding, header.audio.channels, header.audio.sample_rate) == (
        SUBTYPES[subtype],
        channels,
        44_100,
    )
    assert header.data_bytes == 100 * header.audio.frame_bytes
    assert data[length - 8 : length - 4] == b"data"


@given(st.data())
def test_a_header_that_is_not_yet_whole_asks_for_more(data: st.DataObject) -> None:
    header = _header(1_000, before=b"LIST\x05\x00\x00\x00abcde\x00")
    cut = data.draw(st.integers(0, len(header) - 1))
    assert parse_wav_header(header[:cut]) is None


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF, 0xFFFF_FFFF - 36, 0x7FFF_FFFF, 0x7FFF_F000, 0x8000_0000])
def test_sizes_of_writers_that_cannot_seek_mean_until_the_end(size: int) -> None:
    parsed = parse_wav_header(_header(size))
    assert parsed is not None
    assert parsed[0].data_bytes is None


@pytest.mark.parametrize("size", [2, 32_000, 3_000_000_000])
def test_other_sizes_are_believed(size: int) -> None:
    parsed = parse_wav_header(_header(size))
    assert parsed is not None
    assert parsed[0].data_bytes == size


def test_chunks_before_the_samples_are_skipped_with_their_padding() -> None:
    parsed = parse_wav_header(_header(10, before=b"LIST\x05\x00\x00\x00abcde\x00"))
    assert parsed is not None
    assert parsed[1] == len(_header(10)) + 14


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"Dear diary, today", "expected a WAV header"),
        (b"RIFF\x00\x00\x00\x00AVI fmt ", "expected WAVE"),
        (_header(10).replace(b"fmt ", b"skip"), "samples come before their format"),
        (_wav("ULAW"), "format 7 with 8 bits"),
        (_wav("DOUBLE"), "format 3 with 64 bits"),
        (_header(10).replace(struct.pack("<I", 16_000), struct.pack("<I", 400)), "sample_rate 400"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(AudioError, match=reason):
        parse_wav_header(data)

import shutil
import subprocess
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pengi_stream.audio.decode import AudioFile, duration_s, load_audio
from pengi_stream.errors import AudioError
from pengi_stream.types import Samples

LOSSLESS = [
    (suffix, subtype)
    for suffix, subtypes in {
        "wav": ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT"),
        "flac": ("PCM_16", "PCM_24"),
    }.items()
    for subtype in subtypes
]
STEPS = {"PCM_U8": 2**-7, "PCM_16": 2**-15, "PCM_24": 2**-23, "PCM_32": 2**-23, "FLOAT": 2**-23}


def _tone(sample_rate: int, seconds: float = 1.0, channels: int = 1) -> Samples:
    times = np.arange(round(sample_rate * seconds)) / sample_rate
    tones = [0.5 * np.sin(2 * np.pi * 440 * (1 + channel) * times) for channel in range(channels)]
    return np.stack(tones, axis=1).astype(np.float32)


def _blocks(path: Path, block_samples: int = 1_600) -> tuple[list[Samples], str]:
    """The blocks of a file, and how it failed."""
    file, blocks, failed = AudioFile(path), [], ""
    try:
        blocks.extend(file.blocks(block_samples))
    except AudioError as error:
        failed = str(error)
    finally:
        file.close()
    return blocks, failed


@pytest.mark.parametrize(("suffix", "subtype"), LOSSLESS)
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_lossless_files_give_their_samples(tmp_path: Path, suffix: str, subtype: str, channels: int) -> None:
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, tone := _tone(44_100, 0.3, channels), 44_100, subtype=subtype)
    file = AudioFile(path)
    assert (file.sample_rate, file.channels) == (44_100, channels)
    samples = np.concatenate(list(file.blocks(4_410)))
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples, tone, atol=STEPS[subtype])


@pytest.mark.parametrize("sample_rate", [8_000, 11_025, 16_000, 22_050, 48_000, 96_000, 192_000])
def test_files_of_any_rate_load_at_the_wanted_one(tmp_path: Path, sample_rate: int) -> None:
    path = tmp_path / "tone.wav"
    soundfile.write(path, _tone(sample_rate), sample_rate, subtype="FLOAT")
    loaded = load_audio(path, 16_000)
    assert len(loaded) == 16_000
    np.testing.assert_allclose(loaded[1_600:-1_600], _tone(16_000)[1_600:-1_600, 0], atol=2e-3)


@pytest.mark.parametrize("suffix", ["ogg", "mp3"])
def test_lossy_files_give_the_tone_and_its_length(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, tone := _tone(44_100, 2.0), 44_100)
    blocks, failed = _blocks(path)
    assert not failed
    samples = np.concatenate(blocks)
    assert samples.shape == tone.shape
    assert np.corrcoef(samples[:, 0], tone[:, 0])[0, 1] > 0.99


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3"])
def test_the_samples_do_not_depend_on_the_size_of_the_blocks(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, _tone(44_100, 2.0), 44_100)
    small, whole = _blocks(path, 1_600)[0], _blocks(path, 100_000)[0]
    np.testing.assert_array_equal(np.concatenate(small), np.concatenate(whole))


def test_blocks_are_all_of_the_asked_size_but_the_last(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    soundfile.write(path, _tone(8_000, 0.25), 8_000)
    assert [len(block) for block in AudioFile(path).blocks(800)] == [800, 800, 400]


def test_a_file_that_ends_with_a_whole_block_has_no_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    soundfile.write(path, _tone(8_000, 0.2), 8_000)
    assert [len(block) for block in AudioFile(path).blocks(800)] == [800, 800]


def test_channels_are_mixed_down_when_a_clip_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    left = _tone(16_000)
    soundfile.write(path, np.hstack([left, -left]), 16_000, subtype="FLOAT")
    assert not load_audio(path, 16_000).any()


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_the_duration_is_known_without_decoding(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, _tone(16_000, 1.5), 16_000)
    assert duration_s(path) == pytest.approx(1.5, abs=1e-3)


def test_a_ten_hour_file_is_read_in_bounded_memory(tmp_path: Path) -> None:
    path, size = tmp_path / "long.wav", 10 * 3_600 * 8_000
    soundfile.write(path, np.zeros(0), 8_000, subtype="PCM_U8")
    header = bytearray(path.read_bytes())
    header[4:8], header[40:44] = (size + 36).to_bytes(4, "little"), size.to_bytes(4, "little")
    path.write_bytes(header)
    with path.open("r+b") as file:
        file.truncate(len(header) + size)  # a hole: takes no room on the disk
    tracemalloc.start()
    try:
        read = sum(len(block) for block in AudioFile(path).blocks(80_000))
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert read == size
    assert peak_bytes < 4e6


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_a_truncated_file_gives_its_good_part_and_then_says_so(tmp_path: Path, suffix: str) -> None:
    whole, cut = tmp_path / f"whole.{suffix}", tmp_path / f"cut.{suffix}"
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 80_000).astype(np.float32)
    soundfile.write(whole, noise, 16_000)
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) * 6 // 10])
    expected, _ = _blocks(whole)
    blocks, failed = _blocks(cut)
    good = np.concatenate(blocks)
    assert failed.startswith(f"{cut}: ")
    assert "truncated" in failed or "damaged" in failed
    assert "\n" not in failed
    assert 25_000 < len(good) < 50_000
    np.testing.assert_allclose(good[:25_000], np.concatenate(expected)[:25_000], atol=1e-6)


def test_an_mpeg_file_whose_decoder_ends_some_samples_early_is_whole(tmp_path: Path) -> None:
    """Of layer II, libsndfile promises 31 samples more than it gives."""
    path = tmp_path / "tone.mp2"
    tone = ["-f", "lavfi", "-i", "sine=440:duration=1:sample_rate=44100"]
    command = ["ffmpeg", "-loglevel", "error", *tone, path]
    if shutil.which("ffmpeg") is None or subprocess.run(command, check=False).returncode:
        pytest.skip("no ffmpeg that writes mp2")
    blocks, failed = _blocks(path)
    assert soundfile.info(path).frames > len(np.concatenate(blocks)) > 44_000
    assert not failed


def test_an_ogg_whose_end_is_counted_differently_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "tone.ogg"
    soundfile.write(path, _tone(48_000), 48_000, format="OGG", subtype="OPUS")
    path.write_bytes(_longer_by(path.read_bytes(), 3_000))
    blocks, failed = _blocks(path)
    assert soundfile.info(path).frames > len(np.concatenate(blocks)) >= 48_000
    assert not failed


def _longer_by(ogg: bytes, samples: int) -> bytes:
    """An Ogg whose last page says that it ends so much later, which encoders and decoders see differently."""
    start = ogg.rfind(b"OggS")
    page = bytearray(ogg[start:])
    page[6:14] = (int.from_bytes(page[6:14], "little") + samples).to_bytes(8, "little")
    page[22:26] = bytes(4)
    page[22:26] = _ogg_checksum(page).to_bytes(4, "little")
    return ogg[:start] + bytes(page)


def _ogg_checksum(page: bytes | bytearray) -> int:
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 1 << 31 else crc << 1) & 0xFFFF_FFFF
    return crc


@pytest.mark.parametrize(
    ("riff_bytes", "data_bytes"),
    [(0xFFFF_FFFF, 0xFFFF_FFFF), (0x7FFF_F024, 0x7FFF_F000), (0x8000_0024, 0x8000_0000)],
)
def test_a_wav_saved_from_a_pipe_is_whole_although_its_header_lies(
    tmp_path: Path, riff_bytes: int, data_bytes: int
) -> None:
    """The sizes that ffmpeg, sox and arecord write when they cannot seek back."""
    path = tmp_path / "streamed.wav"
    soundfile.write(path, tone := _tone(16_000), 16_000)
    data = bytearray(path.read_bytes())
    data[4:8], data[40:44] = riff_bytes.to_bytes(4, "little"), data_bytes.to_bytes(4, "little")
    path.write_bytes(data)
    blocks, failed = _blocks(path)
    assert not failed
    assert len(np.concatenate(blocks)) == len(tone)


NO_AUDIO = {
    "empty.wav": (b"", "the file is empty"),
    "text.wav": (b"Dear diary,\ntoday I heard a dog.\n" * 20, "is no audio that can be read"),
    "text.raw": (b"Dear diary,\ntoday I heard a dog.\n" * 20, "is no audio that can be read"),
    "magic.flac": (b"fLaC" + bytes(50), "is no audio that can be read"),
    "magic.ogg": (b"OggS" + bytes(500), "is no audio that can be read"),
    "header.wav": (b"RIFF\x24\x00\x00\x00WAVEfmt ", "is no audio that can be read"),
}


@pytest.mark.parametrize("name", NO_AUDIO)
def test_what_is_no_audio_is_named_in_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    content, reason = NO_AUDIO[name]
    path.write_bytes(content)
    with pytest.raises(AudioError) as raised:
        AudioFile(path)
    assert str(raised.value).startswith(f"{path}: {reason}")
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"missing\.wav: there is no such file"):
        AudioFile(tmp_path / "missing.wav")


def test_a_header_without_samples_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "nothing.wav"
    soundfile.write(path, np.zeros(0), 16_000)
    blocks, failed = _blocks(path)
    assert not blocks
    assert "holds no samples" in failed


@pytest.mark.parametrize("sample_rate", [4_000, 384_000])
def test_a_rate_out_of_range_is_refused_with_the_range(tmp_path: Path, sample_rate: int) -> None:
    path = tmp_path / "rate.wav"
    soundfile.write(path, _tone(sample_rate, 0.1), sample_rate)
    with pytest.raises(AudioError, match=f"found a sample rate of {sample_rate} Hz, expected 8000 to 192000"):
        AudioFile(path)

"""A checkpoint that does not fit is named before anything runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from pengi_stream.errors import CheckpointError
from pengi_stream.models.pengi import PengiModelConfig
from pengi_stream.models.pengi.checkpoint import load_checkpoint, save_checkpoint, write_checksums
from pengi_stream.testing import context


def test_a_missing_checkpoint_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere.*use mini or a folder"):
        PengiModelConfig(type="pengi", checkpoint=str(tmp_path / "nowhere")).build(context())


@pytest.mark.parametrize("file", ["model.safetensors", "encoder.safetensors", "tokenizer.json"])
def test_a_missing_file_is_named(folder: Path, tmp_path: Path, file: str) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / file).unlink()
    with pytest.raises(CheckpointError, match=file):
        load_checkpoint(str(copy))


def test_damaged_weights_are_named(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged"):
        load_checkpoint(str(copy))


def test_missing_extra_and_misshaped_weights_are_named(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    state = load_file(copy / "model.safetensors")
    state["language_model.wpe.weight"] = state["language_model.wpe.weight"][:-1].contiguous()
    state["surplus"] = state.pop("language_model.ln_f.bias")
    save_file(state, copy / "model.safetensors")
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(str(copy))
    for words in ("ln_f.bias is missing", "surplus is not expected", "wpe.weight has the shape (95, 32)"):
        assert words in str(error.value)


def test_a_wrong_config_is_named(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "config.json").write_text('{"sample_rate": "fast"}')
    with pytest.raises(CheckpointError, match=r"config\.json: .*sample_rate"):
        load_checkpoint(str(copy))


@pytest.mark.parametrize("content", [b"", b"not a tokenizer", b'{"version": "1.0"}'])
def test_a_damaged_tokenizer_is_named(folder: Path, tmp_path: Path, content: bytes) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "tokenizer.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"tokenizer\.json is damaged"):
        load_checkpoint(str(copy))


@pytest.mark.parametrize("file", ["model.safetensors", "encoder.safetensors"])
def test_one_flipped_bit_in_the_weights_is_noticed(folder: Path, tmp_path: Path, file: str) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    weights = bytearray((copy / file).read_bytes())
    weights[-50] ^= 1
    (copy / file).write_bytes(bytes(weights))
    with pytest.raises(CheckpointError, match=rf"{file} is damaged: its SHA-256"):
        load_checkpoint(str(copy))


def test_checksums_written_again_are_the_same_and_leave_the_model_card_out(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    before = (copy / "SHA256SUMS").read_text()
    (copy / "README.md").write_text("a model card")
    write_checksums(copy)
    assert (copy / "SHA256SUMS").read_text() == before


def test_a_checkpoint_saved_again_is_the_same_to_the_last_bit(folder: Path, tmp_path: Path) -> None:
    loaded = load_checkpoint(str(folder))
    save_checkpoint(tmp_path / "again", loaded.config, loaded.network, loaded.tokenizer)
    again = load_checkpoint(str(tmp_path / "again"))
    assert again.checksum == loaded.checksum
    assert again.config == loaded.config
    for name, tensor in loaded.network.state_dict().items():
        assert torch.equal(again.network.state_dict()[name], tensor), name


@pytest.mark.parametrize("file", ["model.safetensors", "encoder.safetensors"])
def test_who_may_read_a_saved_config_may_read_the_weights(folder: Path, file: str) -> None:
    assert (folder / file).stat().st_mode == (folder / "config.json").stat().st_mode


@pytest.mark.parametrize("content", [b"0123abcd *model.safetensors", b"\xff\xfe"], ids=["another form", "not text"])
def test_checksums_that_cannot_be_read_are_named(folder: Path, tmp_path: Path, content: bytes) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "SHA256SUMS").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"SHA256SUMS is damaged"):
        load_checkpoint(str(copy))


def test_a_tokenizer_of_a_larger_model_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    tokenizer = Tokenizer.from_file(str(copy / "tokenizer.json"))
    tokenizer.add_tokens([f"word{number}" for number in range(500)])
    tokenizer.save(str(copy / "tokenizer.json"))
    with pytest.raises(CheckpointError, match=r"tokens, expected at most the model's 400"):
        load_checkpoint(str(copy))


@pytest.mark.parametrize(
    ("part", "key", "value", "words"),
    [
        ("language_model", "heads", 5, "width 32 is not a multiple of heads 5"),
        ("language_model", "heads", 0, "language_model.heads"),
        ("language_model", "stop_token", 400, "stop_token 400 is not in a vocabulary of 400"),
        (None, "window_samples", -1, "window_samples"),
        (None, "sample_rate", 8_000, "sample_rate is 8000, expected YAMNet's 16000"),
    ],
)
def test_a_config_that_no_model_can_have_is_refused(
    folder: Path, tmp_path: Path, part: str | None, key: str, value: int, words: str
) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    (config if part is None else config[part])[key] = value
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(str(copy))

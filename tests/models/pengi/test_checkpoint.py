"""A checkpoint that does not fit is named before anything runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from pengi_stream.errors import CheckpointError
from pengi_stream.models.pengi import PengiModelConfig
from pengi_stream.models.pengi.checkpoint import load_checkpoint


def test_a_missing_checkpoint_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere.*use mini or a folder"):
        PengiModelConfig(type="pengi", checkpoint=str(tmp_path / "nowhere")).build()


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

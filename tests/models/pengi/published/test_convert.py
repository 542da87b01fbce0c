"""Published checkpoints, in a small size, become folders that load as they are."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import httpx2
import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from torch import Tensor

from pengi_stream.api import load_model
from pengi_stream.errors import CheckpointError, ConfigError
from pengi_stream.models.pengi import PengiModelConfig
from pengi_stream.models.pengi.checkpoint import load_checkpoint
from pengi_stream.models.pengi.config import (
    ClipTextConfig,
    HtsatConfig,
    LanguageModelConfig,
    MappedTokensConfig,
    PengiConfig,
    TransformerMappingConfig,
)
from pengi_stream.models.pengi.network import Pengi
from pengi_stream.models.pengi.published.convert import convert, convert_published
from pengi_stream.models.pengi.published.names import TRANSPOSED, published_name
from pengi_stream.models.pengi.published.tokenizers import gpt2_tokenizer
from pengi_stream.testing import check_model, context

MAPPING = TransformerMappingConfig(prefix_length=4, sequence_length=3, layers=1, heads=2)
CLIP = ClipTextConfig(vocabulary=257, positions=16, width=16, layers=1, heads=2, embedding_size=12, mapping=MAPPING)
WINDOW = "audio_encoder.base.htsat.spectrogram_extractor.stft.conv_real.weight"
LINEAR = "caption_decoder.audio_project.linear.weight"
LM_HEAD = "caption_decoder.gpt.lm_head.weight"
Convert = Callable[..., Path]


def small_config(text: ClipTextConfig | MappedTokensConfig) -> PengiConfig:
    htsat = HtsatConfig(
        image_size=64, channels=8, depths=(1, 2), heads=(2, 2), window=4, mel_bands=16, embedding_size=12
    )
    return PengiConfig(
        sample_rate=44_100,
        window_samples=20_000,
        hop_grid_samples=1,
        audio_encoder=htsat,
        audio_mapping=MAPPING,
        text=text,
        language_model=LanguageModelConfig(vocabulary=257, positions=64, width=8, layers=1, heads=2, stop_token=256),
    )


def published_state(network: Pengi) -> dict[str, Tensor]:
    """As the published code would save `network`: its names and layouts, and what it has beside."""
    state = {published_name(name): tensor for name, tensor in network.state_dict().items()}
    state = {name: tensor.T if TRANSPOSED.fullmatch(name) else tensor for name, tensor in state.items()}
    samples = len(state[WINDOW])
    time, frequency = torch.arange(samples), torch.arange(samples // 2 + 1)
    state[WINDOW] = (state[WINDOW] * torch.cos(2 * np.pi * frequency[:, None] * time / samples))[:, None]
    state[WINDOW.replace("real", "imag")] = torch.zeros_like(state[WINDOW])
    state[LM_HEAD] = state["caption_decoder.gpt.transformer.wte.weight"].clone()
    state["caption_decoder.gpt.transformer.h.0.attn.bias"] = torch.ones(1, 1, 64, 64, dtype=torch.bool)
    state["caption_decoder.gpt.transformer.h.0.attn.masked_bias"] = torch.tensor(-1e4)
    state["audio_encoder.base.htsat.tscam_conv.weight"] = torch.zeros(527, 16, 2, 3)
    state["audio_encoder.base.htsat.bn0.num_batches_tracked"] = torch.tensor(0)
    return state


def byte_tokenizer() -> Tokenizer:
    """A token for each byte, and an end mark."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(BPE({letter: index for index, letter in enumerate([*letters, "<end>"])}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.enable_padding(pad_id=256, pad_token="<end>", length=16)
    tokenizer.enable_truncation(15)
    return tokenizer


@pytest.fixture(params=[CLIP, MappedTokensConfig(suffix="<end>", mapping=MAPPING)], ids=lambda text: text.type)
def network(request: pytest.FixtureRequest) -> Pengi:
    torch.manual_seed(5)
    return Pengi(small_config(request.param)).eval()


@pytest.fixture
def converted(network: Pengi, tmp_path: Path) -> Convert:
    """Saves something as a checkpoint file and converts it."""

    def save_and_convert(content: object) -> Path:
        text = CLIP if network.prompt_encoder else MappedTokensConfig(suffix="<end>", mapping=MAPPING)
        torch.save(content, tmp_path / "small.pth")
        output = tmp_path / "small"
        convert(tmp_path / "small.pth", small_config(text), output, byte_tokenizer(), byte_tokenizer())
        return output

    return save_and_convert


def audio_prefix(network: Pengi, samples: torch.Tensor) -> torch.Tensor:
    return network.audio_mapper(network.audio_encoder(samples))


def prompt_prefix(network: Pengi, tokens: torch.Tensor) -> torch.Tensor:
    return network.prompt_mapper((network.prompt_encoder or network.language_model.embed)(tokens))


@torch.inference_mode()
@pytest.mark.parametrize("wrapper", ["", "module."])
@pytest.mark.parametrize("nested", [True, False])
def test_the_converted_folder_holds_the_same_network(
    network: Pengi, converted: Convert, wrapper: str, nested: bool
) -> None:
    state = {wrapper + name: tensor for name, tensor in published_state(network).items()}
    loaded = load_checkpoint(str(converted({"model": state} if nested else state))).network
    samples, tokens = torch.randn(2, 20_000), torch.tensor([[1, 2, 256], [3, 256, 256]])
    assert torch.equal(audio_prefix(loaded, samples), audio_prefix(network, samples))
    assert torch.equal(prompt_prefix(loaded, tokens), prompt_prefix(network, tokens))
    embeddings = torch.randn(1, 5, 8)
    assert torch.equal(loaded.language_model(embeddings), network.language_model(embeddings))


def test_the_converted_folder_is_a_model_without_any_network(
    network: Pengi, converted: Convert, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError("a connection was opened")

    folder = converted({"model": published_state(network)})
    monkeypatch.setattr(socket.socket, "connect", refuse)
    check_model(PengiModelConfig(type="pengi", checkpoint=str(folder), device="cpu"))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_in_half_precision_it_is_a_model_of_another_identity(network: Pengi, converted: Convert, dtype: str) -> None:
    folder = str(converted(published_state(network)))
    full = PengiModelConfig(type="pengi", checkpoint=folder, device="cpu").build(context())
    half = PengiModelConfig.model_validate({"type": "pengi", "checkpoint": folder, "device": "cpu", "dtype": dtype})
    check_model(half)
    assert half.build(context()).identity == full.identity.replace("float32", dtype)


def test_another_prompt_normalization_is_another_identity(network: Pengi, converted: Convert) -> None:
    folder = str(converted(published_state(network)))
    published = PengiModelConfig(type="pengi", checkpoint=folder, prompt_normalization="published", device="cpu")
    training = PengiModelConfig(type="pengi", checkpoint=folder, prompt_normalization="training", device="cpu")
    if network.prompt_encoder is None:
        with pytest.raises(CheckpointError, match="models with a text encoder, found mapped_tokens"):
            training.build(context())
        return
    default = PengiModelConfig(type="pengi", checkpoint=folder, device="cpu")
    assert (
        default.build(context()).identity == published.build(context()).identity != training.build(context()).identity
    )


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda state: state.pop(LINEAR), f"missing: {LINEAR}"),
        (lambda state: state.update(surprise=torch.zeros(1)), "extra: surprise"),
        (
            lambda state: state.update({LINEAR: torch.zeros(2, 3)}),
            rf"mis-shaped: {LINEAR} \[2, 3\] instead of \[24, 12\]",
        ),
        (lambda state: state.update({WINDOW: torch.zeros(3)}), rf"{WINDOW} \[3\] instead of \[513, 1, 1024\]"),
        (lambda state: state[LM_HEAD].add_(1), f"{LM_HEAD} differs from the token embeddings"),
    ],
)
def test_a_checkpoint_of_another_architecture_is_refused_and_the_keys_are_named(
    network: Pengi, converted: Convert, tmp_path: Path, change: Callable[[dict[str, Tensor]], object], complaint: str
) -> None:
    state = published_state(network)
    change(state)
    with pytest.raises(CheckpointError, match=complaint):
        converted(state)
    assert [path.name for path in tmp_path.iterdir()] == ["small.pth"]


def test_many_wrong_keys_are_counted(network: Pengi, converted: Convert) -> None:
    with pytest.raises(CheckpointError, match=r"missing: .* and \d+ more; extra: weight$"):
        converted({"weight": torch.zeros(1)})


class Evil:
    """What a pickle can do to who loads it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.mark),)


def test_a_pickle_that_runs_code_is_refused_and_runs_none(network: Pengi, converted: Convert, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is refused: it holds more than tensors"):
        converted({"model": published_state(network), "extra": Evil(tmp_path / "mark")})
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 no zip file either"])
def test_a_file_that_is_no_checkpoint_is_refused(content: bytes, tmp_path: Path) -> None:
    source = tmp_path / "base.pth"
    source.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"base\.pth"):
        convert(source, small_config(CLIP), tmp_path / "out", byte_tokenizer(), byte_tokenizer())


@pytest.mark.parametrize("content", [[1, 2], {}, {"model": {}}, {"epoch": 3}])
def test_a_file_without_a_state_dict_is_refused(content: object, converted: Convert) -> None:
    with pytest.raises(CheckpointError, match="holds no state dict"):
        converted(content)


def test_an_existing_folder_is_left_alone(network: Pengi, converted: Convert) -> None:
    folder = converted(published_state(network))
    with pytest.raises(CheckpointError, match="exists already"):
        converted(published_state(network))
    load_checkpoint(str(folder))


def test_the_checksums_are_those_of_sha256sum_and_are_checked(network: Pengi, converted: Convert) -> None:
    folder = converted(published_state(network))
    subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=folder, check=True, capture_output=True)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged: its SHA-256"):
        load_checkpoint(str(folder))


def test_who_may_read_one_file_of_the_folder_may_read_all(network: Pengi, converted: Convert) -> None:
    modes = {path.name: path.stat().st_mode for path in converted(published_state(network)).iterdir()}
    assert len(set(modes.values())) == 1, modes


def test_loading_a_file_that_was_not_converted_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "base.pth").touch()
    with pytest.raises(CheckpointError, match=r"base\.pth' is a file, expected a folder; .* pengi-stream convert"):
        load_checkpoint(str(tmp_path / "base.pth"))


def test_an_unknown_configuration_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no published configuration 'bass'; did you mean 'base'"):
        convert_published(tmp_path / "base.pth", "bass", tmp_path / "out")


def test_what_is_wrong_with_the_paths_is_said_before_any_vocabulary_is_looked_for(tmp_path: Path) -> None:
    nowhere = tmp_path / "tokenizers"
    with pytest.raises(CheckpointError, match=r"base\.pth cannot be read: No such file"):
        convert_published(tmp_path / "base.pth", "base", tmp_path / "out", nowhere)
    (tmp_path / "base.pth").touch()
    (tmp_path / "out").mkdir()
    with pytest.raises(CheckpointError, match="out exists already"):
        convert_published(tmp_path / "base.pth", "base", tmp_path / "out", nowhere)


def test_a_hub_out_of_reach_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise httpx2.ConnectError("no network")

    def not_cached(*_: object, local_files_only: bool = False, **__: object) -> NoReturn:
        assert local_files_only, "the library itself tries for a minute"
        raise OSError("not cached")

    monkeypatch.setattr(httpx2, "head", refuse)
    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", not_cached)
    with pytest.raises(CheckpointError, match=r"tokenizer gpt2 cannot be had .*--tokenizers"):
        gpt2_tokenizer(None)


@torch.inference_mode()
def test_texts_are_compared_and_prompts_embedded_by_the_text_encoder_where_there_is_one(
    network: Pengi, converted: Convert
) -> None:
    model = load_model(converted(published_state(network)), device="cpu")
    tokens = torch.tensor([byte_tokenizer().encode(text).ids for text in ("rain", "a dog")])
    prompts = model.prompt_embeddings(["rain", "a dog"])
    assert prompts.prefix.shape == (2, 4, 8)
    labels = ["rain", "a dog"]
    [answer] = model.match(np.zeros(20_000, np.float32), "rain", labels, sample_rate=44_100)
    assert answer.scores is not None
    if network.prompt_encoder is None:
        return
    assert prompts.embedding == pytest.approx(network.prompt_encoder(tokens).numpy(), abs=1e-5)
    assert prompts.prefix == pytest.approx(prompt_prefix(network, tokens).numpy(), abs=1e-4)
    written = torch.tensor([byte_tokenizer().encode(answer.written or "").ids])
    similar = torch.cosine_similarity(network.prompt_encoder.clip(written), network.prompt_encoder.clip(tokens))
    assert list(answer.scores.values()) == pytest.approx(similar.tolist(), abs=1e-4)

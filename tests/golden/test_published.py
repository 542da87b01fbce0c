"""Every stage against the outputs of the published code, where PENGI_TEST_REFERENCE names the folder with them."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import numpy as np
import pytest
import torch
from devices import DEVICES, device_or_skip
from numpy.typing import NDArray
from torch import Tensor

from pengi_stream.errors import CheckpointError
from pengi_stream.models.pengi.checkpoint import Checkpoint, load_checkpoint
from pengi_stream.models.pengi.decoding.decode import decode
from pengi_stream.models.pengi.decoding.likelihoods import log_likelihoods
from pengi_stream.models.pengi.model import PengiModel
from pengi_stream.models.pengi.network import Pengi
from pengi_stream.models.pengi.placement import keep_float32_exact
from pengi_stream.models.pengi.published.convert import convert_published
from pengi_stream.models.pengi.text.context import Context, read
from pengi_stream.options import DecodingOptions, Prompt
from pengi_stream.types import Batch, Request, Stream, Window

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # two models of more than 1 GB each

TOLERANCE = 1e-3  # of each array's largest value
DECIBELS = 0.2  # the chirp has bins at rounding noise
PAIRS = [(clip, prompt) for clip in range(4) for prompt in range(2)]
BEAMS = [(0, 0, 1, 1.0), (0, 0, 3, 1.0), (0, 1, 3, 1.0), (1, 0, 3, 1.0), (1, 1, 5, 1.0), (2, 0, 3, 0.7)]
BEAMS += [(2, 1, 3, 1.0), (3, 0, 5, 1.0), (3, 1, 1, 1.0)]  # clip, prompt, beams, temperature
STOP_TOKEN = 220


def prompt_embedding(network: Pengi, tokens: Tensor) -> Tensor:
    """What the prompt mapper maps."""
    return (network.prompt_encoder or network.language_model.embed)(tokens)


@dataclass(frozen=True)
class Published:
    """One published configuration with the reference's weights, its inputs and the published code's outputs."""

    name: str
    folder: str
    checkpoint: Checkpoint
    clips: Tensor  # (4, samples)
    device: torch.device
    golden: Mapping[str, NDArray[np.float32]]

    @property
    def network(self) -> Pengi:
        return self.checkpoint.network

    @cached_property
    def audio_prefixes(self) -> Tensor:
        """(4, 40, 768)"""
        return self.network.audio_mapper(self.network.audio_encoder(self.clips))

    @cached_property
    def prompt_prefixes(self) -> Tensor:
        """(2, 40, 768)"""
        return self.network.prompt_mapper(prompt_embedding(self.network, self.prompts))

    def context(self, clip: int, prompt: int) -> Context:
        """Audio prefix, then prompt prefix, as the language model has read them."""
        prefix = torch.cat((self.audio_prefixes[clip], self.prompt_prefixes[prompt]))
        return read(self.network.language_model, prefix[None], torch.tensor([len(prefix)], device=self.device))

    @property
    def prompts(self) -> Tensor:
        """(2, tokens)"""
        return torch.from_numpy(self.golden["prompt_ids"]).to(self.device)

    @property
    def texts(self) -> list[str]:
        """What the prompts' tokens stand for; the reference counts CLIP's vocabulary differently."""
        first = "goodness blades" if self.name == "base" else "generate metadata"
        return [first, "this is a award of" if self.name == "base" else "this is a sound of"]


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    """The module that makes the reference's weights and clips."""
    path = _folder("PENGI_TEST_REFERENCE", "reference_weights.py and its goldens") / "reference_weights.py"
    spec = importlib.util.spec_from_file_location("reference_weights", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", params=DEVICES)
def device(request: pytest.FixtureRequest) -> torch.device:
    """Goldens hold on a GPU too, in float32 and to the same tolerances."""
    keep_float32_exact()
    return device_or_skip(request.param)


@pytest.fixture(scope="module", params=["base", "base_no_text_enc"])
def published(request: pytest.FixtureRequest, reference: ModuleType, device: torch.device) -> Iterator[Published]:
    """Written as a published file, converted, loaded and placed, as a user would."""
    name = request.param
    tokenizers = _folder("PENGI_TEST_TOKENIZERS", "gpt2/ and clip/")
    with np.load(reference.HERE / f"golden_{name}.npz") as arrays:
        golden = {key: arrays[key] for key in arrays.files}
    with TemporaryDirectory() as folder:
        source, output = Path(folder, f"{name}.pth"), Path(folder, name)
        torch.save({"model": _published_state(reference, name)}, source)
        convert_published(source, name, output, tokenizers)
        source.unlink()
        clips = torch.from_numpy(reference.reference_clips()).to(device)
        checkpoint = load_checkpoint(str(output))
        PengiModel(checkpoint, device, torch.float32)  # places the network
        yield Published(name, str(output), checkpoint, clips, device, golden)


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def _published_state(reference: ModuleType, name: str) -> dict[str, Tensor]:
    """Every key of the published checkpoint, old GPT-2's causal masks too, as DataParallel would have saved it."""
    state = {key: torch.from_numpy(np.asarray(array)) for key, array in reference.reference_state_dict(name).items()}
    manifest = json.loads((reference.HERE / f"manifest_{name}.json").read_text())
    for key, spec in manifest.items():
        if spec["kind"] == "derived":
            state[key] = torch.zeros(spec["shape"], dtype=getattr(torch, spec["dtype"]))
    assert state.keys() == manifest.keys()
    return {f"module.{key}": tensor for key, tensor in state.items()}


def _folder(variable: str, content: str) -> Path:
    if variable not in os.environ:
        pytest.skip(f"{variable} does not name a folder with {content}")
    return Path(os.environ[variable])


def assert_close(found: Tensor, expected: NDArray[np.float32], tolerance: float = TOLERANCE) -> None:
    np.testing.assert_allclose(found.cpu().numpy(), expected, rtol=0, atol=tolerance * np.abs(expected).max())


def test_the_log_mel_spectrogram(published: Published) -> None:
    logmel = published.network.audio_encoder.htsat.frontend(published.clips)
    assert logmel.shape == (4, 965, 64)
    np.testing.assert_allclose(logmel[:, ::16, ::4].cpu(), published.golden["logmel"], rtol=0, atol=DECIBELS)


def test_the_audio_embedding_and_what_htsat_gives_for_it(published: Published) -> None:
    encoder = published.network.audio_encoder
    latent = encoder.htsat(published.clips)
    assert_close(latent, published.golden["latent"])
    assert_close(encoder.projection(latent), published.golden["audio_embedding"])


def test_the_audio_prefix(published: Published) -> None:
    assert_close(published.audio_prefixes[:, ::4, ::16], published.golden["audio_prefix"])


def test_the_prompts_tokens(published: Published) -> None:
    tokenizer, config = published.checkpoint.prompt_tokenizer, published.checkpoint.config.text
    suffix = config.suffix if config.type == "mapped_tokens" else ""
    ids = [tokenizer.encode(text + suffix).ids for text in published.texts]
    np.testing.assert_array_equal(ids, published.golden["prompt_ids"])


def test_the_prompt_embedding(published: Published) -> None:
    embedding = prompt_embedding(published.network, published.prompts)
    part = embedding if embedding.ndim == 2 else embedding[:, :8, ::16]
    assert_close(part, published.golden["prompt_embedding"])


def test_the_prompt_prefix_of_the_published_inference_code(published: Published) -> None:
    assert_close(published.prompt_prefixes[:, ::4, ::16], published.golden["prompt_prefix"])


def test_the_prompt_prefix_of_training(published: Published) -> None:
    if published.name != "base":
        with pytest.raises(CheckpointError, match="for models with a text encoder"):
            load_checkpoint(published.folder, "training")
        return
    training = load_checkpoint(published.folder, "training")
    prefix = training.network.prompt_mapper(prompt_embedding(training.network, published.prompts.cpu()))
    assert_close(prefix[:, ::4, ::16], published.golden["prompt_prefix_normalized"])
    assert training.checksum != published.checkpoint.checksum


@pytest.mark.parametrize(("clip", "prompt"), PAIRS)
def test_the_first_tokens_log_probabilities(published: Published, clip: int, prompt: int) -> None:
    logprobs = published.context(clip, prompt).logits.log_softmax(dim=-1)
    assert_close(logprobs[0, ::97], published.golden[f"first_logprobs_{clip}_{prompt}"])


@pytest.mark.parametrize(("clip", "prompt"), PAIRS)
def test_the_candidates_log_likelihoods(published: Published, clip: int, prompt: int) -> None:
    model, context = published.network.language_model, published.context(clip, prompt)
    candidates = [[int(token) for token in text.split()] for text in published.golden["candidates"]]
    # Ours counts a stop behind each label, the reference none: so the last token is given as the stop.
    found = [log_likelihoods(model, context, [tokens[:-1]], tokens[-1])[0, 0] for tokens in candidates]
    assert_close(torch.stack(found), published.golden[f"candidate_loglik_{clip}_{prompt}"])


@pytest.mark.parametrize(("clip", "prompt", "beams", "temperature"), BEAMS)
def test_the_beams_tokens_exactly_and_their_scores(
    published: Published, clip: int, prompt: int, beams: int, temperature: float
) -> None:
    options = DecodingOptions(beams, max_new_tokens=16, temperature=temperature)
    decoded = decode(published.network.language_model, published.context(clip, prompt), options, STOP_TOKEN)
    key = f"beam_{clip}_{prompt}_{beams}_{temperature}"
    rows = zip(decoded.tokens[0].tolist(), decoded.lengths[0].tolist(), strict=True)
    texts = [" ".join(str(token) for token in row[:length]) for row, length in rows]
    assert texts == published.golden[f"{key}_tokens"].tolist()
    assert_close(decoded.scores[0], published.golden[f"{key}_scores"])


def test_a_batch_says_what_the_published_code_and_single_windows_say(published: Published) -> None:
    model = PengiModel(published.checkpoint, published.device, torch.float32)
    options = DecodingOptions(beams=3, max_new_tokens=16)
    requests = [_request(model, published, clip, prompt, options) for clip, prompt in PAIRS]
    together = model.generate(Batch(tuple(requests)))
    for row, (clip, prompt) in enumerate(PAIRS):
        alone = model.generate(Batch((requests[row],)))[0]
        assert together[row].text == alone.text
        assert together[row].confidence == pytest.approx(alone.confidence, abs=1e-4)
        if (clip, prompt, 3, 1.0) in BEAMS:
            best = [int(token) for token in published.golden[f"beam_{clip}_{prompt}_3_1.0_tokens"][0].split()]
            assert alone.text == published.checkpoint.tokenizer.decode(best[:-1]).strip()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.03), (torch.float16, 0.005)])
def test_lower_precision_stays_near(published: Published, dtype: torch.dtype, tolerance: float) -> None:
    checkpoint = load_checkpoint(published.folder)
    PengiModel(checkpoint, published.device, dtype)
    lower = replace(published, checkpoint=checkpoint)
    assert_close(lower.audio_prefixes[:, ::4, ::16].float(), published.golden["audio_prefix"], tolerance)
    assert_close(lower.prompt_prefixes[:, ::4, ::16].float(), published.golden["prompt_prefix"], tolerance)
    logprobs = lower.context(0, 0).logits.float().log_softmax(dim=-1)
    assert_close(logprobs[0, ::97], published.golden["first_logprobs_0_0"], tolerance)


def _request(model: PengiModel, published: Published, clip: int, prompt: int, options: DecodingOptions) -> Request:
    samples = published.clips[clip].cpu().numpy()
    window = Window(Stream("test"), 0, 0, samples, len(samples), model.sample_rate, 0, 0, 0.0)
    return Request(window, Prompt("test", published.texts[prompt], options))

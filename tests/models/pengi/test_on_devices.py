"""`mini` on a CPU and on a GPU: neighbours, precision and copies change nothing that they may not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import pytest
import torch
from devices import DEVICES, TWO_DEVICES, device_or_skip
from given import GivenModel

from pengi_stream.api.audio import windows_of
from pengi_stream.config import WindowConfig
from pengi_stream.lab.bench.models import subject
from pengi_stream.lab.bench.models.subject import ObservedPengi
from pengi_stream.models.pengi import PengiModelConfig
from pengi_stream.models.pengi.model import PengiModel
from pengi_stream.models.replicas import Replicas
from pengi_stream.options import DecodingOptions, Prompt
from pengi_stream.protocols import AudioLanguageModel
from pengi_stream.runtime.build import window_spec
from pengi_stream.sounds.demo import RECORDING
from pengi_stream.testing import check_model, context
from pengi_stream.types import Batch, Generation, Request, Window

LABELS = ("speech", "telephone", "trumpet", "waves", "guitar")
PROMPTS = [
    Prompt("caption", "generate audio caption", DecodingOptions(beams=3)),
    Prompt("events", "this is a sound of"),
    Prompt("labels", "this is a sound of", labels=LABELS),
]
EXACT = 1e-4  # of confidence: what float32 holds in a batch of any size
ACROSS_DEVICES = 1e-3  # of confidence: float32 sums in another order
LOW_PRECISION_NATS = 0.1  # a token: 10 % less likely; another text is said where two are about as likely
LOW_PRECISION = 0.1  # of a label's score

Load = Callable[..., PengiModel | Replicas]


@pytest.fixture(scope="module")
def load() -> Load:
    """`mini` on devices that are there; each once."""

    @cache
    def loaded(device: str | tuple[str, ...], dtype: str = "float32") -> PengiModel | Replicas:
        for name in [device] if isinstance(device, str) else device:
            device_or_skip(name)
        return PengiModelConfig.model_validate({"type": "pengi", "device": device, "dtype": dtype}).build(context())

    return loaded


@pytest.fixture(scope="module")
def windows(load: Load) -> list[Window]:
    """Those of the demo recording, which has six sounds."""
    return list(windows_of(RECORDING, 0, None, window_spec(WindowConfig(), load("cpu"))))


def say(model: AudioLanguageModel, windows: Sequence[Window], prompt: Prompt) -> list[Generation]:
    return model.generate(Batch(tuple(Request(window, prompt) for window in windows)))


def same_texts(found: Sequence[Generation], expected: Sequence[Generation]) -> float:
    """The share of them."""
    return sum(a.text == b.text for a, b in zip(found, expected, strict=True)) / len(expected)


def most_apart(found: Sequence[Generation], expected: Sequence[Generation]) -> float:
    """The largest difference of confidence where texts are the same."""
    pairs = zip(found, expected, strict=True)
    return max((abs(a.confidence - b.confidence) for a, b in pairs if a.text == b.text), default=0.0)


@pytest.mark.parametrize("device", DEVICES)
def test_float32_keeps_the_contract(load: Load, device: str) -> None:
    check_model(GivenModel(part=load(device)))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: prompt.id)
def test_a_window_says_the_same_alone_and_in_a_batch(
    load: Load, windows: list[Window], device: str, prompt: Prompt
) -> None:
    model = load(device)
    together = say(model, windows, prompt)
    alone = [say(model, [window], prompt)[0] for window in windows]
    assert len({generation.text for generation in together}) > 3
    assert same_texts(together, alone) == 1
    assert most_apart(together, alone) <= EXACT


@pytest.mark.gpu
@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: prompt.id)
def test_a_gpu_says_in_float32_what_a_cpu_says(load: Load, windows: list[Window], prompt: Prompt) -> None:
    on_gpu, on_cpu = (say(load(device), windows, prompt) for device in ("cuda:0", "cpu"))
    assert same_texts(on_gpu, on_cpu) == 1
    assert most_apart(on_gpu, on_cpu) <= ACROSS_DEVICES


@pytest.mark.gpu
@pytest.mark.parametrize("size", [1, 3, 16])
@pytest.mark.parametrize("prompt", PROMPTS[:2], ids=lambda prompt: prompt.id)
def test_cuda_graphs_say_what_steps_without_them_say(
    load: Load, windows: list[Window], size: int, prompt: Prompt
) -> None:
    device_or_skip("cuda:0")
    graphs = PengiModelConfig(type="pengi", device="cuda:0", dtype="float32", cuda_graphs=True).build(context())
    for start in range(0, len(windows), size):
        part = windows[start : start + size]
        replayed, plain = say(graphs, part, prompt), say(load("cuda:0"), part, prompt)
        assert same_texts(replayed, plain) == 1
        assert most_apart(replayed, plain) <= EXACT


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("prompt", PROMPTS[:2], ids=lambda prompt: prompt.id)
def test_where_bfloat16_says_something_else_float32_finds_it_nearly_as_likely(
    windows: list[Window], device: str, prompt: Prompt
) -> None:
    device_or_skip(device)
    full, half = (subject.load("mini", dtype, device).model for dtype in ("float32", "bfloat16"))
    assert isinstance(full, ObservedPengi)
    assert isinstance(half, ObservedPengi)
    assert full.identity != half.identity
    requests = [Request(window, prompt) for window in windows]
    for request, own, other in zip(requests, full.written(requests), half.written(requests), strict=True):
        assert own == other or full.score(request, own) - full.score(request, other) <= LOW_PRECISION_NATS


@pytest.mark.parametrize("device", DEVICES)
def test_bfloat16_ranks_labels_nearly_as_float32_does(load: Load, windows: list[Window], device: str) -> None:
    exact, near = (say(load(device, dtype), windows, PROMPTS[2]) for dtype in ("float32", "bfloat16"))
    for one, other in zip(exact, near, strict=True):
        assert one.scores
        assert other.scores == pytest.approx(one.scores, abs=LOW_PRECISION)


@pytest.mark.parametrize("devices", TWO_DEVICES)
@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: prompt.id)
def test_two_devices_at_work_at_once_say_what_one_says(
    load: Load, windows: list[Window], devices: tuple[str, str], prompt: Prompt
) -> None:
    both, one = load(devices), load(devices[0])
    assert isinstance(both, Replicas)
    assert both.identity == one.identity
    expected = say(one, windows, prompt)
    pieces = [windows[start : start + 3] for start in range(0, len(windows), 3)]
    with ThreadPoolExecutor(both.concurrency) as threads:
        said = [made for piece in threads.map(lambda piece: say(both, piece, prompt), pieces) for made in piece]
    assert same_texts(said, expected) == 1
    assert most_apart(said, expected) <= EXACT


@pytest.mark.parametrize("prompt", PROMPTS[:2], ids=lambda prompt: prompt.id)
def test_no_tensor_is_left_where_the_model_is_not(windows: list[Window], prompt: Prompt) -> None:
    [model] = PengiModelConfig(type="pengi", device="cpu").copies()
    with torch.device("meta"):  # takes the place of a GPU: what is made without a device goes there, and is of no use
        assert same_texts(say(model, windows[:3], prompt), say(model, windows[:3], prompt)) == 1

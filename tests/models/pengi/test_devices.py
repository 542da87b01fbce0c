"""Where a model computes and in which precision: what the config promises, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from given import GivenModel

from pengi_stream.config import parse_config
from pengi_stream.errors import ConfigError
from pengi_stream.models.pengi import PengiModelConfig
from pengi_stream.models.pengi.model import PengiModel
from pengi_stream.models.pengi.placement import devices_of, dtype_of
from pengi_stream.models.replicas import Replicas
from pengi_stream.options import DecodingOptions, Prompt
from pengi_stream.testing import check_model, context
from pengi_stream.types import Batch, Request

CAPTION = Prompt("caption", "generate audio caption", DecodingOptions(max_new_tokens=8))


def test_cuda_graphs_change_nothing_on_a_cpu(folder: Path, ask: Callable[[PengiModel, int, Prompt], Request]) -> None:
    [plain] = PengiModelConfig(type="pengi", checkpoint=str(folder), device="cpu").copies()
    [graphs] = PengiModelConfig(type="pengi", checkpoint=str(folder), device="cpu", cuda_graphs=True).copies()
    batch = Batch(tuple(ask(plain, seed, CAPTION) for seed in range(3)))
    assert graphs.generate(batch) == plain.generate(batch)


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets torch report so many GPUs."""

    def report(count: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return report


def config(folder: Path, **keys: object) -> PengiModelConfig:
    return PengiModelConfig.model_validate({"type": "pengi", "checkpoint": str(folder), **keys})


@pytest.mark.parametrize(
    ("count", "name", "expected"),
    [(0, "auto", "cpu"), (2, "auto", "cuda:0"), (2, "cpu", "cpu"), (2, "cuda:1", "cuda:1")],
)
def test_auto_takes_a_gpu_where_there_is_one(gpus: Callable[[int], None], count: int, name: str, expected: str) -> None:
    gpus(count)
    assert [str(device) for device in devices_of([name])] == [expected]


@pytest.mark.parametrize(
    ("count", "name", "message"),
    [
        (0, "cuda", "device cuda: no CUDA device was found"),
        (1, "cuda:1", "device cuda:1: only cuda:0 was found"),
        (2, "cuda:7", "device cuda:7: cuda:0 to cuda:1 were found"),
    ],
)
def test_a_gpu_that_is_not_there_is_named_with_those_that_are(
    gpus: Callable[[int], None], count: int, name: str, message: str
) -> None:
    gpus(count)
    with pytest.raises(ConfigError, match=message) as caught:
        devices_of(["cpu", name])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["cpu"], torch.float32), (["cuda:0", "cuda:1"], torch.bfloat16), (["cuda:0", "cpu"], torch.float32)],
)
def test_auto_is_a_dtype_that_all_devices_share(names: list[str], expected: torch.dtype) -> None:
    devices = [torch.device(name) for name in names]
    assert dtype_of("auto", devices) == expected
    assert dtype_of("float16", devices) == torch.float16


@pytest.mark.parametrize("device", ["tpu", "cuda:", ["cpu", "tpu"], [], "cuda:0,cuda:1"])
def test_what_is_no_device_is_refused_with_what_would_be(device: object) -> None:
    with pytest.raises(ConfigError, match=r"model\.device: found .*, expected auto, cpu, cuda or cuda:N, or a list"):
        parse_config({"model": {"type": "pengi", "device": device}, "sources": []}, name="x", origin="x")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_each_precision_keeps_the_contract_and_has_an_identity_of_its_own(folder: Path, dtype: str) -> None:
    model = config(folder, device="cpu", dtype=dtype).build(context())
    assert model.identity.endswith(f":{dtype}")
    check_model(GivenModel(part=model))


def test_float32_is_not_rounded_on_a_gpu(folder: Path) -> None:
    config(folder, device="cpu").build(context())
    assert not torch.backends.cudnn.allow_tf32
    assert torch.get_float32_matmul_precision() == "highest"


def test_two_devices_say_what_one_says_under_the_same_identity(
    folder: Path, model: PengiModel, ask: Callable[[PengiModel, int, Prompt], Request]
) -> None:
    both = config(folder, device=["cpu", "cpu"]).build(context())
    assert isinstance(both, Replicas)
    assert (both.identity, both.concurrency) == (model.identity, 2)
    check_model(GivenModel(part=both))
    batches = [Batch(tuple(ask(model, seed + 4 * n, CAPTION) for seed in range(4))) for n in range(2)]
    for batch in batches:  # the first goes to one copy, the second to the other
        assert [g.text for g in both.generate(batch)] == [g.text for g in model.generate(batch)]

"""Packed layers are faster and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pengi_stream.models.pengi.layers import Gelu, GeluLinear, PackedLinear, can_pack, pack


@pytest.mark.parametrize("rows", [1, 3, 48, 200])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
@torch.inference_mode()
def test_a_packed_layer_computes_what_the_layer_computes(
    rows: int, bias: bool, dtype: torch.dtype, tolerance: float
) -> None:
    torch.manual_seed(1)
    linear = nn.Linear(33, 70, bias=bias).to(dtype)
    if not can_pack(linear.weight):
        pytest.skip("this build of torch packs no weights")
    inputs = torch.randn(2, rows, 33, dtype=dtype)
    packed = PackedLinear(linear.weight, linear.bias)
    torch.testing.assert_close(packed(inputs), linear(inputs), atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("gelu", ["none", "tanh"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
@torch.inference_mode()
def test_a_layer_with_a_gelu_keeps_it_when_it_is_packed(gelu: Gelu, dtype: torch.dtype, tolerance: float) -> None:
    torch.manual_seed(1)
    network = nn.Sequential(GeluLinear(33, 70, gelu).to(dtype))
    inputs = torch.randn(48, 33, dtype=dtype)
    expected = nn.GELU(gelu)(nn.functional.linear(inputs, network[0].weight, network[0].bias))
    pack(network)
    torch.testing.assert_close(network(inputs), expected, atol=tolerance, rtol=tolerance)


@torch.inference_mode()
def test_weights_that_no_cpu_packs_stay_as_they_are() -> None:
    network = nn.Sequential(nn.Linear(4, 4).to(torch.float16))
    before = network[0]
    pack(network)
    assert network[0] is before

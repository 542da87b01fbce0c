"""The published mapping networks in a small size."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pengi_stream.models.pengi.mapping_network import Layer, PooledMapper, SequenceMapper


@torch.no_grad()
def test_a_layer_is_pytorchs_pre_norm_transformer_layer_without_biases_of_queries_keys_and_values() -> None:
    torch.manual_seed(0)
    ours = Layer(size=12, heads=3).eval()
    theirs = nn.TransformerEncoderLayer(12, 3, 24, dropout=0.0, norm_first=True, batch_first=True).eval()
    projections = torch.cat((ours.attn.to_queries.weight, ours.attn.to_keys_values.weight))
    theirs.load_state_dict(
        {
            "self_attn.in_proj_weight": projections,
            "self_attn.in_proj_bias": torch.zeros(36),
            "self_attn.out_proj.weight": ours.attn.project.weight,
            "self_attn.out_proj.bias": ours.attn.project.bias,
            **{f"linear1.{name}": value for name, value in ours.mlp.fc1.state_dict().items()},
            **{f"linear2.{name}": value for name, value in ours.mlp.fc2.state_dict().items()},
            **{f"norm1.{name}": value for name, value in ours.norm1.state_dict().items()},
            **{f"norm2.{name}": value for name, value in ours.norm2.state_dict().items()},
        }
    )
    inputs = torch.randn(2, 5, 12)
    torch.testing.assert_close(ours(inputs), theirs(inputs), atol=1e-5, rtol=1e-5)


def small_pooled_mapper(*, normalized: bool) -> PooledMapper:
    torch.manual_seed(1)
    return PooledMapper(
        embedding_size=6, sequence_length=5, size=12, prefix_length=4, layers=2, heads=3, normalized=normalized
    ).eval()


@pytest.mark.parametrize("length", [1, 7])
@torch.no_grad()
def test_a_prefix_has_its_own_length_whatever_the_sequences_length(length: int) -> None:
    mapper = SequenceMapper(size=12, prefix_length=4, layers=2, heads=3).eval()
    assert mapper(torch.randn(2, length, 12)).shape == (2, 4, 12)


@torch.no_grad()
def test_a_pooled_embedding_becomes_a_sequence_and_is_mapped_as_one() -> None:
    pooled = small_pooled_mapper(normalized=False)
    sequence = SequenceMapper(size=12, prefix_length=4, layers=2, heads=3).eval()
    sequence.load_state_dict({k: v for k, v in pooled.state_dict().items() if not k.startswith("linear.")})
    embedding = torch.randn(2, 6)
    assert torch.equal(pooled(embedding), sequence(pooled.linear(embedding).view(2, 5, 12)))


@torch.no_grad()
def test_the_length_of_a_normalised_embedding_does_not_count() -> None:
    embedding = torch.randn(2, 6)
    normalised, plain = small_pooled_mapper(normalized=True), small_pooled_mapper(normalized=False)
    torch.testing.assert_close(normalised(3 * embedding), normalised(embedding))
    torch.testing.assert_close(normalised(embedding), plain(embedding / embedding.norm(dim=-1, keepdim=True)))
    assert not torch.allclose(plain(3 * embedding), plain(embedding))

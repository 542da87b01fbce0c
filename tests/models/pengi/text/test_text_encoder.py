"""CLIP's text encoder in a small size, against the one in transformers."""

from __future__ import annotations

import pytest
import torch

from pengi_stream.models.pengi.text.text_encoder import ClipTextEncoder

END = 98


@pytest.fixture(scope="module")
def encoder() -> ClipTextEncoder:
    torch.manual_seed(0)
    return ClipTextEncoder(vocabulary=END + 1, positions=12, size=16, layers=2, heads=2).eval()


@torch.no_grad()
def test_gives_what_the_encoder_in_transformers_gives(encoder: ClipTextEncoder) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.CLIPTextConfig(
        vocab_size=END + 1,
        hidden_size=16,
        intermediate_size=64,
        projection_dim=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=12,
        eos_token_id=END,
    )
    theirs = transformers.CLIPTextModelWithProjection(config).eval()
    ours = {name: value for name, value in encoder.state_dict().items() if name != "text_projection.weight"}
    embeddings = ("token_embedding", "position_embedding")
    renamed = {
        f"text_model.embeddings.{name}"
        if name.startswith(embeddings)
        else f"text_model.encoder.{name}"
        if name.startswith("layers")
        else f"text_model.{name}": value
        for name, value in ours.items()
    }
    missing = theirs.load_state_dict(renamed | {"text_projection.weight": encoder.text_projection.weight}, strict=False)
    assert not missing.unexpected_keys
    tokens = torch.tensor([[97, 5, 6, END, END, END], [97, 1, 2, 3, 4, END]])
    torch.testing.assert_close(encoder(tokens), theirs(input_ids=tokens).text_embeds, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_padding_has_no_influence(encoder: ClipTextEncoder) -> None:
    short = torch.tensor([[97, 5, 6, END]])
    padded = torch.tensor([[97, 5, 6, END, END, END, 0, 3]])
    torch.testing.assert_close(encoder(padded), encoder(short))

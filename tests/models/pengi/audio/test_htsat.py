"""HTSAT in a small size; its published size is checked in tests/golden."""

from __future__ import annotations

import copy

import pytest
import torch

from pengi_stream.models.pengi.audio.htsat import Htsat
from pengi_stream.models.pengi.audio.htsat_blocks import (
    WindowAttention,
    join_windows,
    relative_position_index,
    shift_mask,
    split_windows,
)


@pytest.fixture(scope="module")
def small_htsat() -> Htsat:
    torch.manual_seed(0)
    htsat = Htsat(image_size=64, patch=4, channels=8, depths=(2, 2), heads=(2, 4), window=4, mel_bands=16)
    htsat.frontend.mel.uniform_()
    return htsat.eval()


@torch.no_grad()
def test_a_batch_gives_what_single_windows_give(small_htsat: Htsat) -> None:
    samples = torch.randn(3, 20_000)
    alone = torch.cat([small_htsat(one[None]) for one in samples])
    torch.testing.assert_close(small_htsat(samples), alone, atol=1e-5, rtol=1e-5)
    assert alone.shape == (3, small_htsat.embedding_size)
    assert not torch.allclose(alone[0], alone[1])


@torch.no_grad()
def test_the_folded_image_stacks_pieces_of_time_along_frequency(small_htsat: Htsat) -> None:
    decibels = torch.arange(256).float()[None, :, None] + 1000 * torch.arange(16).float()  # no stretching: 256 frames
    seen: list[torch.Tensor] = []
    htsat = copy.deepcopy(small_htsat)
    htsat.frontend = htsat.bn0 = torch.nn.Identity()
    htsat.patch_embed.register_forward_pre_hook(lambda _, inputs: seen.extend(inputs))
    htsat(decibels)
    image = seen[0][0, 0]
    assert image.shape == (64, 64)
    assert image[16 * 2 + 5, 7] == pytest.approx(64 * 2 + 7 + 5000)


def test_a_window_that_is_too_long_is_refused(small_htsat: Htsat) -> None:
    with pytest.raises(ValueError, match="257 spectrogram frames, expected at most 256"):
        small_htsat(torch.zeros(1, 256 * 320))


def test_windows_that_are_split_and_joined_are_the_same_image() -> None:
    image = torch.randn(2, 8, 12, 3)
    windows = split_windows(image, 4)
    assert torch.equal(windows[1, 4].view(4, 4, 3), image[1, 4:8, 4:8])
    assert torch.equal(join_windows(windows, 4, 8, 12), image)


def test_only_patches_at_the_same_distance_share_a_bias() -> None:
    index = relative_position_index(4)
    places = [(row, column) for row in range(4) for column in range(4)]
    distance = {(a, b): (y - v, x - u) for a, (y, x) in enumerate(places) for b, (v, u) in enumerate(places)}
    rows = {pair: int(index[pair]) for pair in distance}
    assert len(set(rows.values())) == len({(rows[pair], distance[pair]) for pair in distance}) == 7 * 7


def test_patches_attend_to_each_other_across_the_shift_only_where_they_were_neighbours() -> None:
    resolution, size, shift = 8, 4, 2
    mask = shift_mask(resolution, size, shift)
    places = torch.stack(torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij"), dim=-1)
    windows = split_windows(places[None].roll((-shift, -shift), dims=(1, 2)), size)[0]  # (windows, patches, 2)
    distance = (windows[:, :, None] - windows[:, None, :]).abs().amax(-1)
    assert torch.equal(mask == 0, distance < size)
    assert (mask[distance >= size] == -100).all()


@torch.no_grad()
def test_window_attention_is_softmax_attention_plus_bias_and_mask() -> None:
    torch.manual_seed(3)
    mask = shift_mask(4, 2, 1)
    attention = WindowAttention(channels=6, heads=2, size=2, mask=mask)
    attention.relative_position_bias_table.normal_()
    patches = torch.randn(1, 4, 4, 6)
    query, key, value = attention.qkv(patches).chunk(3, dim=-1)
    heads = []
    for head, part in enumerate((slice(0, 3), slice(3, 6))):
        bias = attention.relative_position_bias_table[relative_position_index(2), head]
        weights = (query[..., part] @ key[..., part].mT / 3**0.5 + bias + mask).softmax(-1)
        heads.append(weights @ value[..., part])
    torch.testing.assert_close(attention(patches), attention.proj(torch.cat(heads, dim=-1)))

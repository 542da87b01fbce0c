"""A window's features are its own, and its silent patches do not water them down."""

from __future__ import annotations

import torch

from pengi_stream.models.pengi.audio.mapper import FEATURES, MAX_LOGIT, MlpMapper, pool
from pengi_stream.models.pengi.audio.yamnet import CLASSES, EMBEDDING_SIZE, SILENCE


def patches(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Patches (1, count, ...) none of which is silent."""
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.rand(1, count, EMBEDDING_SIZE, generator=generator)
    logits = torch.randn(1, count, CLASSES, generator=generator)
    logits[:, :, SILENCE] = -5
    return embeddings, logits


def test_silent_patches_are_left_out() -> None:
    embeddings, logits = patches(5, 0)
    logits[:, 1:3, SILENCE] = 5
    heard = [0, 3, 4]
    torch.testing.assert_close(pool(embeddings, logits), pool(embeddings[:, heard], logits[:, heard]))


def test_patches_count_where_all_are_silent() -> None:
    embeddings, logits = patches(5, 0)
    logits[:, :, SILENCE] = 5
    features = pool(embeddings, logits)
    torch.testing.assert_close(features[:, :EMBEDDING_SIZE], embeddings.mean(1))
    torch.testing.assert_close(features[:, EMBEDDING_SIZE : 2 * EMBEDDING_SIZE], embeddings.amax(1))


def test_a_windows_features_do_not_depend_on_its_neighbours() -> None:
    windows = [patches(4, seed) for seed in range(3)]
    windows[1][1][:, :2, SILENCE] = 5
    windows[2][1][:, :, SILENCE] = 5
    together = pool(torch.cat([w[0] for w in windows]), torch.cat([w[1] for w in windows]))
    torch.testing.assert_close(together, torch.cat([pool(*window) for window in windows]))


def test_scores_near_certainty_are_bounded_so_that_none_drowns_the_rest() -> None:
    embeddings, logits = patches(3, 0)
    features = pool(embeddings, logits * 100)
    assert float(features[:, 2 * EMBEDDING_SIZE :].abs().max()) <= MAX_LOGIT + 1e-4


def test_no_audio_is_what_the_average_audio_is() -> None:
    torch.manual_seed(0)
    mapper = MlpMapper(FEATURES, 8, 4, 16)
    mapper.mean = torch.randn(FEATURES)
    mapper.deviation = torch.rand(FEATURES) + 0.5
    torch.testing.assert_close(mapper.without_audio(), mapper(mapper.mean[None]))
    assert mapper.without_audio().shape == (1, 4, 16)

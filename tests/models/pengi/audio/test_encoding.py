"""Windows share the work of the audio encoder, and get what they would get alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pengi_stream.models.pengi.audio import encoding
from pengi_stream.models.pengi.audio.encoding import YamnetWindows
from pengi_stream.models.pengi.audio.mapper import YamnetEncoder
from pengi_stream.models.pengi.audio.yamnet import PATCH_HOP_SAMPLES, window_samples
from pengi_stream.types import Samples

PATCHES = 4
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def encoder() -> YamnetEncoder:
    torch.manual_seed(5)
    return YamnetEncoder().eval()


@pytest.fixture(scope="module")
def recording() -> Samples:
    return np.random.default_rng(1).normal(0, 0.1, window_samples(12)).astype(np.float32)


def window(recording: Samples, start: int) -> Samples:
    return recording[start : start + window_samples(PATCHES)]


@torch.inference_mode()
def test_overlapping_windows_get_what_they_get_alone_in_one_batch_or_in_several(
    encoder: YamnetEncoder, recording: Samples
) -> None:
    windows = [window(recording, index * 2 * PATCH_HOP_SAMPLES) for index in range(4)]
    alone = encoder(torch.from_numpy(np.stack(windows)))
    shared = YamnetWindows(encoder, CPU)
    torch.testing.assert_close(shared.encode(windows[:1]), alone[:1])
    torch.testing.assert_close(shared.encode(windows[1:]), alone[1:])
    assert shared.computed == PATCHES + 3 * 2


@torch.inference_mode()
def test_a_window_off_the_grid_or_of_other_samples_shares_nothing(encoder: YamnetEncoder, recording: Samples) -> None:
    shared = YamnetWindows(encoder, CPU)
    shared.encode([window(recording, 0)])
    shared.encode([window(recording, PATCH_HOP_SAMPLES // 2)])
    changed = window(recording, 0).copy()
    changed[::PATCH_HOP_SAMPLES] += 1e-3
    assert not torch.equal(shared.encode([changed]), shared.encode([window(recording, 0)]))
    assert shared.computed == 3 * PATCHES


@torch.inference_mode()
def test_memory_is_bounded_and_what_was_let_go_is_computed_anew(
    encoder: YamnetEncoder, recording: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "PATCHES_KEPT", PATCHES)
    shared = YamnetWindows(encoder, CPU)
    first = shared.encode([window(recording, 0)])
    shared.encode([window(recording, PATCH_HOP_SAMPLES * PATCHES)])
    torch.testing.assert_close(shared.encode([window(recording, 0)]), first)
    assert shared.computed == 3 * PATCHES

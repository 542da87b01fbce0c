"""What the listener hears."""

from __future__ import annotations

import torch

from pengi_stream.models.pengi.audio.listener import LARGEST_LOGIT, MEAN_EMBEDDING, SoundMapper, list_sounds
from pengi_stream.models.pengi.audio.mapper import FEATURES
from pengi_stream.models.pengi.audio.yamnet import CLASSES, EMBEDDING_SIZE

SOUNDS = CLASSES + 3


def mapper() -> SoundMapper:
    torch.manual_seed(2)
    made = SoundMapper(SOUNDS, known=6, prototypes=4, shape=(5, 16))
    made.listener.prototypes.copy_(torch.eye(4, EMBEDDING_SIZE))
    torch.nn.init.zeros_(made.listener.known.weight)
    torch.nn.init.zeros_(made.listener.known.bias)
    made.listener.known.bias.data[CLASSES] = 12.0  # a sound with recordings
    return made.eval()


def features(direction: int, loud_class: int) -> torch.Tensor:
    row = torch.zeros(1, FEATURES)
    row[0, MEAN_EMBEDDING.start + direction] = 1.0
    row[0, LARGEST_LOGIT.start + loud_class] = 6.0
    return row


@torch.inference_mode()
def test_near_to_recordings_what_they_taught_counts_and_elsewhere_yamnets_scores() -> None:
    made = mapper()
    assert int(made.heard(features(direction=0, loud_class=7)).likely.argmax()) == CLASSES
    assert int(made.heard(features(direction=99, loud_class=7)).likely.argmax()) == 7


@torch.inference_mode()
def test_probabilities_add_up_to_one() -> None:
    likely = mapper().heard(torch.randn(4, FEATURES)).likely
    torch.testing.assert_close(likely.sum(dim=1), torch.ones(4))


@torch.inference_mode()
def test_the_likeliest_sounds_are_listed_in_order_and_unlikely_ones_have_no_level() -> None:
    listing = list_sounds(mapper().heard(features(direction=99, loud_class=7)), 5)
    assert int(listing.sounds[0, 0]) == 7
    assert listing.levels[0].tolist() == sorted(listing.levels[0].tolist(), reverse=True)
    assert float(listing.levels[0, -1]) == float(listing.present[0, -1]) == 0


@torch.inference_mode()
def test_no_audio_tells_nothing_whatever_the_prototypes_say() -> None:
    made = mapper()
    silent = made.without_audio()
    made.listener.known.bias.data[CLASSES] = -12.0
    torch.testing.assert_close(made.without_audio(), silent)
    assert not torch.allclose(made.mapped(features(0, 7)), silent)

from pathlib import Path

import numpy as np
import pytest
import soundfile

from pengi_stream.lab import mixing
from pengi_stream.lab.clips import Clip
from pengi_stream.lab.training.data import augment
from pengi_stream.lab.training.data.midi import Note, Program, write_midi
from pengi_stream.lab.training.data.tones import MAKERS, synthesise
from pengi_stream.lab.training.data.windows import WindowMaker, plan_windows, tone_clips
from pengi_stream.sounds.words import load_labels

COUNT = 16_000


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    made = []
    for index, (label, split) in enumerate([("rain", "train"), ("helicopter", "train"), ("rain", "test")]):
        path = tmp_path / f"{index}.wav"
        soundfile.write(path, synthesise("white noise", 8_000, np.random.default_rng(index)), 16_000)
        made.append(Clip(path, label, "esc10", "test" if split == "test" else "train"))
    return made


def test_the_same_plan_gives_the_same_samples_again(clips: list[Clip]) -> None:
    plans = plan_windows(clips, mixtures=10, seed=1)

    first, again = (WindowMaker(load_labels(), COUNT) for _ in range(2))
    for index, plan in enumerate(plans):
        np.testing.assert_array_equal(first.make(plan, index)[0], again.make(plan, index)[0])


def test_test_clips_are_used_once_as_they_are_and_never_mixed(clips: list[Clip]) -> None:
    plans = plan_windows(clips, mixtures=20, seed=1)

    tested = [plan for plan in plans if any(clip.split == "test" for clip in plan.clips)]
    assert [(plan.clips, plan.clean) for plan in tested] == [((clips[2],), True)]


def test_a_mixture_names_both_sounds_unless_one_is_much_softer(clips: list[Clip]) -> None:
    maker = WindowMaker(load_labels(), COUNT)
    plans = [plan for plan in plan_windows(clips, mixtures=60, seed=1) if len(plan.clips) == 2]

    named = {len(maker.make(plan, index)[1].labels) for index, plan in enumerate(plans)}

    assert named == {1, 2}


@pytest.mark.parametrize("label", sorted(MAKERS))
def test_computed_sounds_are_finite_and_not_too_loud(label: str) -> None:
    samples = synthesise(label, COUNT, np.random.default_rng(0))

    assert samples.shape == (COUNT,)
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= 1.01


def test_every_computed_sound_has_words() -> None:
    assert {clip.label for clip in tone_clips()} <= set(load_labels())


def test_disturbed_windows_stay_within_full_scale() -> None:
    for seed in range(30):
        rng = np.random.default_rng(seed)
        window = augment.disturb(augment.cut(synthesise("beep", 5_000, rng), COUNT, rng), rng)
        assert window.shape == (COUNT,)
        assert np.abs(window).max() <= 1.0001


def test_a_mixture_has_the_wanted_ratio_of_levels() -> None:
    rng = np.random.default_rng(0)
    loud, soft = (synthesise("white noise", COUNT, rng) for _ in range(2))

    added = mixing.mix(loud, 0.01 * soft, ratio_db=20) - loud

    assert 20 * np.log10(mixing.level(loud) / mixing.level(added)) == pytest.approx(20, abs=0.1)


def test_a_midi_file_holds_its_notes_in_order_of_time(tmp_path: Path) -> None:
    path = tmp_path / "score.mid"

    write_midi(path, [Note(0.5, 0.5, 2, 60, 100)], [Program(0.0, 2, 40)])

    data = path.read_bytes()
    track = bytes([0, 0xC2, 40, 0x83, 0x60, 0x92, 60, 100, 0x83, 0x60, 0x82, 60, 0, 0, 0xFF, 0x2F, 0])
    assert data == b"MThd\0\0\0\6\0\0\0\1\1\xe0MTrk" + len(track).to_bytes(4, "big") + track

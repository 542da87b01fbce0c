"""A window's text is its own: it depends on no neighbour, no padding and no cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import create_autospec

import numpy as np
import pytest
import torch
from given import GivenModel

from pengi_stream.errors import ConfigError, ModelError
from pengi_stream.models.pengi import PengiModelConfig
from pengi_stream.models.pengi.audio.encoding import YamnetWindows
from pengi_stream.models.pengi.audio.mapper import MlpMapper
from pengi_stream.models.pengi.checkpoint import load_checkpoint
from pengi_stream.models.pengi.decoding.decode import bucket
from pengi_stream.models.pengi.model import PengiModel
from pengi_stream.options import DecodingOptions, Prompt
from pengi_stream.testing import check_model, context
from pengi_stream.types import Batch, Request

Ask = Callable[[PengiModel, int, Prompt], Request]

CAPTION = Prompt("caption", "generate audio caption", DecodingOptions(max_new_tokens=8))
EVENTS = Prompt("events", "this is a sound of", DecodingOptions(max_new_tokens=8))


def test_it_keeps_the_contract_of_a_model(model: PengiModel) -> None:
    check_model(GivenModel(part=model))


@pytest.mark.parametrize("beams", [1, 3])
def test_a_window_says_the_same_alone_and_among_32(model: PengiModel, beams: int, ask: Ask) -> None:
    options = DecodingOptions(beams, max_new_tokens=8)
    prompts = [replace(CAPTION, options=options), replace(EVENTS, options=options)]
    requests = [ask(model, seed, prompts[seed % 2]) for seed in range(32)]
    together = model.generate(Batch(tuple(requests)))
    assert len({generation.text for generation in together}) > 4
    for generation in together[::5]:
        [alone] = model.generate(Batch((generation.request,)))
        assert alone.text == generation.text
        assert alone.confidence == pytest.approx(generation.confidence, abs=1e-4)


def test_labels_are_scored_the_same_alone_and_in_a_batch(model: PengiModel, ask: Ask) -> None:
    prompt = replace(EVENTS, labels=("a dog barks", "rain", "a person speaks", "ra"))
    requests = [ask(model, seed, prompt) for seed in range(5)]
    together = model.generate(Batch(tuple(requests)))
    for generation in together:
        assert generation.scores is not None
        assert sum(generation.scores.values()) == pytest.approx(1, abs=1e-5)
        assert generation.text == max(generation.scores, key=lambda label: (generation.scores or {})[label])
        [alone] = model.generate(Batch((generation.request,)))
        assert alone.scores == pytest.approx(generation.scores, abs=1e-4)


def test_five_thousand_labels_are_ranked_in_bounded_memory(model: PengiModel, ask: Ask) -> None:
    labels = tuple(f"rain {number}" for number in range(5_000))
    [generation] = model.generate(Batch((ask(model, 0, replace(EVENTS, labels=labels)),)))
    assert generation.scores is not None
    assert len(generation.scores) == 5_000


def test_texts_depend_on_the_audio_and_on_the_prompt(model: PengiModel, ask: Ask) -> None:
    requests = [ask(model, seed, prompt) for seed in range(8) for prompt in (CAPTION, EVENTS)]
    texts = [generation.text for generation in model.generate(Batch(tuple(requests)))]
    assert len(set(texts[::2])) > 1
    assert texts[::2] != texts[1::2]


def test_a_window_that_is_no_window_is_a_model_error(model: PengiModel, ask: Ask) -> None:
    good = ask(model, 0, CAPTION)
    short = replace(good.window, samples=good.window.samples[:-1])
    poisoned = replace(good.window, samples=np.full_like(good.window.samples, np.nan))
    for window, word in ((short, "shape"), (poisoned, "NaN")):
        with pytest.raises(ModelError, match=word):
            model.generate(Batch((replace(good, window=window),)))


@pytest.mark.parametrize("labels", [(), ("rain", "a dog barks")], ids=["text", "labels"])
@pytest.mark.parametrize("beams", [1, 3])
def test_samples_too_large_to_compute_with_are_a_model_error_and_not_a_sure_answer(
    model: PengiModel, ask: Ask, beams: int, labels: tuple[str, ...]
) -> None:
    good = ask(model, 0, replace(EVENTS, options=DecodingOptions(beams, max_new_tokens=4), labels=labels))
    absurd = replace(good.window, samples=np.full_like(good.window.samples, 3e38))
    with pytest.raises(ModelError, match="samples are far out of range"):
        model.generate(Batch((good, replace(good, window=absurd))))


def test_an_error_of_torch_is_a_model_error_even_without_a_message(
    folder: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = PengiModel(load_checkpoint(str(folder)), torch.device("cpu"), torch.float32)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(MlpMapper, "forward", fail)
    with pytest.raises(ModelError, match="RuntimeError"):
        model.generate(Batch((ask(model, 0, CAPTION),)))


def test_the_identity_names_checkpoint_and_dtype(folder: Path, model: PengiModel, ask: Ask) -> None:
    half = PengiModelConfig(type="pengi", checkpoint=str(folder), device="cpu", dtype="bfloat16").build(context())
    assert half.identity != model.identity
    assert half.identity.split(":")[1] == model.identity.split(":")[1]
    [generation] = half.generate(Batch((ask(half, 0, CAPTION),)))
    assert 0 <= generation.confidence <= 1


def test_loading_twice_gives_the_same_texts(folder: Path, model: PengiModel, ask: Ask) -> None:
    again = PengiModel(load_checkpoint(str(folder)), torch.device("cpu"), torch.float32)
    batch = Batch(tuple(ask(model, seed, CAPTION) for seed in range(4)))
    assert [g.text for g in again.generate(batch)] == [g.text for g in model.generate(batch)]
    assert again.identity == model.identity


@pytest.mark.parametrize(("size", "padded"), [(1, 1), (2, 2), (3, 4), (17, 32), (32, 32), (33, 64), (65, 96)])
def test_batches_are_padded_to_few_sizes(size: int, padded: int) -> None:
    assert bucket(size) == padded


def test_a_text_that_the_models_positions_cannot_hold_is_a_model_error(model: PengiModel, ask: Ask) -> None:
    long_text = replace(CAPTION, options=DecodingOptions(max_new_tokens=200))
    long_label = replace(EVENTS, labels=("rain " * 100, "a dog barks"))
    for prompt in (long_text, long_label):
        with pytest.raises(ModelError, match=r"positions, the model has 96; shorten"):
            model.generate(Batch((ask(model, 0, prompt),)))


def test_a_prompt_that_no_window_can_be_asked_is_known_before_the_first(model: PengiModel) -> None:
    model.check_prompts([CAPTION, replace(EVENTS, labels=("rain", "a dog barks"))])
    long_text = replace(CAPTION, options=DecodingOptions(max_new_tokens=200))
    long_addition = replace(CAPTION, options=DecodingOptions(add_text=" rain" * 100))
    long_label = replace(CAPTION, labels=("rain " * 100, "a dog barks"))
    for prompt in (long_text, long_addition, long_label):
        with pytest.raises(ConfigError, match=r"prompt 'caption': .* positions, the model has 96; shorten"):
            model.check_prompts([CAPTION, prompt])


@pytest.mark.parametrize("apart", [False, True], ids=["in one batch", "in a batch each"])
def test_several_prompts_about_one_window_encode_its_audio_once(
    folder: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch, apart: bool
) -> None:
    model = PengiModel(load_checkpoint(str(folder)), torch.device("cpu"), torch.float32)
    encoder = create_autospec(YamnetWindows.encode, side_effect=YamnetWindows.encode)
    monkeypatch.setattr(YamnetWindows, "encode", encoder)
    requests = [replace(ask(model, 0, CAPTION), prompt=prompt) for prompt in (CAPTION, EVENTS, EVENTS)]
    requests = [replace(request, window=requests[0].window) for request in requests]
    for batch in [[request] for request in requests] if apart else [requests]:
        model.generate(Batch(tuple(batch)))
    [call] = encoder.call_args_list
    assert len(call.args[1]) == 1


def test_an_empty_prompt_is_answered(model: PengiModel, ask: Ask) -> None:
    [generation] = model.generate(Batch((ask(model, 0, replace(CAPTION, text="")),)))
    assert 0 < generation.confidence <= 1


def test_a_text_may_fill_the_models_positions_to_the_last(model: PengiModel, ask: Ask) -> None:
    room = 96 - 4 - 1  # positions, less the audio's, less those of a prompt of one token
    fits, too_long = (
        replace(CAPTION, text="a", options=DecodingOptions(max_new_tokens=room + extra)) for extra in (1, 2)
    )
    model.generate(Batch((ask(model, 0, fits),)))
    with pytest.raises(ModelError, match="need 97 positions"):
        model.generate(Batch((ask(model, 0, too_long),)))

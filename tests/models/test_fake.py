"""The fake model says what can be checked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pengi_stream.errors import ModelError
from pengi_stream.models.fake import FakeModel, FakeModelConfig
from pengi_stream.options import Prompt
from pengi_stream.testing import check_model, context
from pengi_stream.types import Batch, Generation, Request, Samples, Stream, Window


def answer(model: FakeModel, samples: Samples, prompt: Prompt) -> Generation:
    window = Window(Stream("test"), 0, 0, samples, len(samples), model.sample_rate, 0, 0, 0.0)
    [generation] = model.generate(Batch((Request(window, prompt),)))
    return generation


def tone(model: FakeModel, hertz: float, amplitude: float) -> Samples:
    time = np.arange(model.window_samples) / model.sample_rate
    return (amplitude * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def test_it_keeps_the_contract_of_a_model() -> None:
    check_model(FakeModelConfig(type="fake"))


def test_it_names_the_level_and_the_frequency_of_a_tone() -> None:
    model = FakeModelConfig(type="fake", sample_rate=8_000, window_s=2).build(context())
    said = answer(model, tone(model, 440, 0.1), Prompt("caption", "what is it"))
    assert said.text == "what is it: 440 Hz at -23 dBFS"  # a sine's level is 3 dB below its peak's -20


def test_louder_windows_are_surer_and_silence_is_not_sure_at_all() -> None:
    model = FakeModelConfig(type="fake").build(context())
    prompt = Prompt("caption", "what is it")
    quiet, loud = (answer(model, tone(model, 440, level), prompt).confidence for level in (0.01, 0.5))
    assert 0 < quiet < loud < 1
    assert answer(model, np.zeros(model.window_samples, np.float32), prompt).confidence == 0


def test_a_window_of_another_length_is_a_model_error() -> None:
    model = FakeModelConfig(type="fake").build(context())
    with pytest.raises(ModelError, match=r"\(10,\), expected \(80000,\)"):
        answer(model, np.zeros(10, np.float32), Prompt("caption", "what is it"))

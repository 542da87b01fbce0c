"""The contract of AudioLanguageModel."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pengi_stream.options import Prompt
from pengi_stream.plugins import ModelConfig
from pengi_stream.protocols import AudioLanguageModel
from pengi_stream.testing.doubles import context
from pengi_stream.types import NS_PER_S, Batch, Generation, Request, Stream, Window, WindowGrid

TOLERANCE = 1e-4  # of confidence and scores


def check_model(config: ModelConfig, labels: Sequence[str] = ("dog", "rain", "silence")) -> None:
    """Build `config`, ask the model in several batches, and check the contract of AudioLanguageModel."""
    model = config.build(context(shape=None))
    _check_shape(model)
    grid = config.windows()
    if grid is not None:
        _check_grid(model, grid)
    _check_answers(model, labels)


def _check_grid(model: AudioLanguageModel, grid: WindowGrid) -> None:
    found = WindowGrid(model.sample_rate, model.window_samples, model.hop_grid_samples)
    assert found == grid, f"windows() tells {grid}, the model has {found}"


def _check_shape(model: AudioLanguageModel) -> None:
    for name in ("sample_rate", "window_samples", "hop_grid_samples"):
        assert getattr(model, name) > 0, f"{name} is {getattr(model, name)}, expected more than zero"
    assert model.identity, "identity is empty, so that events of different models would share ids"
    assert model.concurrency > 0, f"concurrency is {model.concurrency}, expected one thread or more"


def _check_answers(model: AudioLanguageModel, labels: Sequence[str]) -> None:
    model.warmup()
    caption = Prompt("caption", "generate audio caption")
    model.check_prompts([caption])
    for prompt in (caption, Prompt("labels", "this is a sound of", labels=tuple(labels))):
        requests = [Request(noise_window(model.sample_rate, model.window_samples, seed), prompt) for seed in range(4)]
        together = _generate(model, requests)
        for number, request in enumerate(requests):
            assert together[number].request is request, "the generations are not in the order of the requests"
            _check_generation(together[number])
            _check_same(together[number], _generate(model, [request])[0], "alone")
        for first, second in zip(together, _generate(model, requests), strict=True):
            _check_same(first, second, "the second time")


def _generate(model: AudioLanguageModel, requests: Sequence[Request]) -> list[Generation]:
    generations = model.generate(Batch(tuple(requests)))
    assert len(generations) == len(requests), f"{len(generations)} generations for {len(requests)} requests"
    return generations


def noise_window(sample_rate: int, length: int, seed: int) -> Window:
    """Noise, louder with each seed; silence for seed 0."""
    samples = np.random.default_rng(seed).normal(0, 0.1 * seed, length).astype(np.float32)
    start_ns, end_ns = (round(n * length / sample_rate * NS_PER_S) for n in (seed, seed + 1))
    return Window(Stream("check"), 0, seed * length, samples, length, sample_rate, start_ns, end_ns, ready_s=0.0)


def _check_generation(generation: Generation) -> None:
    assert 0 <= generation.confidence <= 1, f"confidence is {generation.confidence}, expected 0 to 1"
    labels, scores = generation.request.prompt.labels, generation.scores
    if not labels:
        assert scores is None, f"an open-ended prompt got scores: {scores}"
        return
    assert scores is not None, "a close-ended prompt got no scores, expected one for each label"
    assert set(scores) == set(labels), f"scores are of {sorted(scores)}, expected {sorted(labels)}"
    total = sum(scores.values())
    assert math.isclose(total, 1, abs_tol=TOLERANCE), f"the scores of a prompt sum to {total}, expected 1"
    best = max(scores.items(), key=lambda entry: entry[1])[0]
    assert scores.get(generation.text) == scores[best], f"the text is {generation.text!r}, but {best!r} scores best"


def _check_same(expected: Generation, found: Generation, when: str) -> None:
    assert found.text == expected.text, f"{expected.text!r} in a batch is {found.text!r} {when}"
    close = math.isclose(found.confidence, expected.confidence, abs_tol=TOLERANCE)
    assert close, f"confidence is {expected.confidence} in a batch and {found.confidence} {when}"

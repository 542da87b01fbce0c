"""Timing a model: what is asked, and what is said of it; never how fast it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from pengi_stream.lab.bench.models.agreement import agreement
from pengi_stream.lab.bench.models.arithmetic import Arithmetic, of_tokens
from pengi_stream.lab.bench.models.compare import compare
from pengi_stream.lab.bench.models.model import Case, Plan, Run
from pengi_stream.lab.bench.models.subject import ObservedPengi, Subject, load
from pengi_stream.lab.bench.sound import fresh_windows, load_sound
from pengi_stream.models.pengi.config import LanguageModelConfig
from pengi_stream.models.pengi.text.language_model import LanguageModel
from pengi_stream.options import DecodingOptions, Prompt
from pengi_stream.types import Batch, Request

TOKENS = 6
BASE = Arithmetic(
    12.0,
    3.0,
    40,
    *of_tokens(LanguageModelConfig(vocabulary=50_257, positions=1024, width=768, layers=12, heads=12, stop_token=220)),
)


@pytest.fixture(scope="module")
def subject() -> Subject:
    return load("mini", "float32", "cpu", ignore_stop=True)


@pytest.fixture(scope="module")
def plan(subject: Subject) -> Plan:
    sound = load_sound(None, subject.model.sample_rate)
    return Plan(sound, DecodingOptions(max_new_tokens=TOKENS), (1, 2), prompts=2, labels=3, repeats=2)


def test_every_case_hears_the_same_number_of_windows_and_all_tokens_are_written(subject: Subject, plan: Plan) -> None:
    found = compare([subject], plan).models[0]
    assert [each.case for each in found.cases] == [Case(1), Case(2), Case(2, prompts=2), Case(2, labels=3)]
    for each in found.cases[:3]:  # a batch takes as long as its texts, each of which has all tokens
        assert each.tokens_a_second.median == pytest.approx(
            each.windows_a_second.median * each.case.prompts * TOKENS, rel=0.5
        )
        assert each.limit_share is not None
        assert 0 < each.limit_share.least <= each.limit_share.median <= each.limit_share.most
    assert found.cases[3].tokens_a_second.most == 0
    assert set(found.costs) == {"batch 2, 2 prompts", "batch 2, 3 labels"}
    assert sum(stage.share.median for stage in found.stages) == pytest.approx(1, abs=0.2)


def test_ignoring_the_stop_token_makes_every_text_as_long_as_it_may_be(subject: Subject, plan: Plan) -> None:
    request = _requests(subject, plan)
    assert [answer.tokens for answer in subject.model.generate(request)] == [TOKENS] * 4
    usual = load("mini", "float32", "cpu")
    longer = replace(plan, options=DecodingOptions(max_new_tokens=30))
    assert min(answer.tokens for answer in usual.model.generate(_requests(usual, longer))) < 30


def test_another_dtype_is_compared_with_the_first_about_the_same_windows(subject: Subject, plan: Plan) -> None:
    again = replace(subject, model=load("mini", "float32", "cpu", ignore_stop=True).model)
    few = replace(plan, batches=(2,), prompts=1, labels=0, repeats=1)
    first, second = compare([subject, again], few).models
    assert first.agreement is None
    assert second.agreement is not None
    assert (second.agreement.texts, second.agreement.same, second.agreement.score_lost) == (2, 1, 0)


def test_what_another_model_writes_is_less_likely_to_the_first_than_its_own_text(subject: Subject, plan: Plan) -> None:
    first, second = (load("mini", dtype, "cpu").model for dtype in ("float32", "bfloat16"))
    assert isinstance(first, ObservedPengi)
    assert isinstance(second, ObservedPengi)
    for layer in second._network.language_model.h:  # a damage that is large enough to be heard
        layer.ln_1.weight.data.neg_()
    requests = _requests(subject, plan).requests
    own, other = (Run(4, (1.0,), tuple(model.generate(Batch(requests)))) for model in (first, second))
    found = agreement(first, second, [own], [other])
    assert found.texts == 4
    assert found.same < 1
    assert found.score_lost > 0
    for request, tokens, answer in zip(requests, first.written(requests), own.answers, strict=True):
        assert len(tokens) == answer.tokens
        assert first.score(request, tokens) > first.score(request, tokens[::-1])


def test_no_window_is_heard_twice(subject: Subject, plan: Plan) -> None:
    heard = [
        window for seed in ((1, 0), (1, 1), (2, 0)) for window in fresh_windows(subject.model, plan.sound, 4, seed)
    ]
    assert len({window.stream.id for window in heard}) == len(heard)
    assert len({np.sort(window.samples)[:100].tobytes() for window in heard}) == len(heard)


def test_a_token_is_counted_as_the_language_model_computes_it() -> None:
    shape = LanguageModelConfig(vocabulary=50, positions=32, width=16, layers=3, heads=2, stop_token=0)
    model = LanguageModel(shape.vocabulary, shape.positions, shape.width, shape.layers, shape.heads)
    cache = model.new_cache(1, 8)
    with torch.inference_mode():
        model(torch.zeros(1, 7, 16), cache=cache)
        counter = FlopCounterMode(display=False)
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH), counter:
            mask = torch.ones(1, 1, 1, 8, dtype=torch.bool)
            model.logits(model(torch.zeros(1, 1, 16), torch.full((1, 1), 7), mask, cache))
    token, look, logits = of_tokens(shape)
    assert counter.get_total_flops() / 1e9 == pytest.approx(token + 8 * look + logits)


def test_the_work_of_a_window_is_that_of_the_paper_s_model_with_three_beams() -> None:
    stages = BASE.stages([40], beams=3, tokens=30)
    assert stages["reading"] == pytest.approx(14, rel=0.05)  # 80 tokens through 85 million weights, two FLOP each
    assert stages["decoding"] == pytest.approx(22, rel=0.05)  # 3 beams, 29 tokens each: 124 million weights
    assert BASE.stages([40] * 4, 3, 30)["reading"] < 3 * stages["reading"]  # the audio is read once


def _requests(subject: Subject, plan: Plan) -> Batch:

    windows = fresh_windows(subject.model, plan.sound, 4, (9, 9))
    return Batch(tuple(Request(window, Prompt("p", "generate audio caption", plan.options)) for window in windows))

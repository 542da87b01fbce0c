"""What is left out of the work changes no text."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pengi_stream.models.pengi.decoding.decode import bucket, decode
from pengi_stream.models.pengi.decoding.greedy import NO_TOKEN
from pengi_stream.models.pengi.decoding.search import Decoded
from pengi_stream.models.pengi.decoding.steps import MOST_SHAPES, FixedSteps
from pengi_stream.models.pengi.text.context import Context, read
from pengi_stream.models.pengi.text.language_model import Cache, LanguageModel
from pengi_stream.options import DecodingOptions

ROWS, LONGEST, VOCABULARY = 16, 12, 50
STOP = 21  # what `Watched` ends most texts with
GREEDY = DecodingOptions(1, LONGEST)


class Watched(LanguageModel):
    """A small language model with random weights that notes how many tokens it computes at a time."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        super().__init__(VOCABULARY, positions=64, width=16, layers=2, heads=2)
        self.computed: list[tuple[int, int]] = []  # (rows, tokens)
        torch.manual_seed(0)
        for parameter in self.h.parameters():
            torch.nn.init.normal_(parameter, std=2)

    def forward(
        self,
        embeddings: Tensor,
        positions: Tensor | None = None,
        mask: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        self.computed.append((embeddings.shape[0], embeddings.shape[1]))
        return super().forward(embeddings, positions, mask, cache)


@cache
def model_and_context() -> tuple[Watched, Context]:
    """Behind whose rows texts of many lengths are written."""
    model, generator = Watched().eval(), torch.Generator().manual_seed(5)
    prefixes = 3 * torch.randn(ROWS, 6, 16, generator=generator)
    with torch.inference_mode():
        return model, read(model, prefixes, torch.randint(2, 7, (ROWS,), generator=generator))


@cache
def alone(row: int, options: DecodingOptions) -> Decoded:
    """The text behind one row of the context, when nothing else is in the batch."""
    model, context = model_and_context()
    with torch.inference_mode():
        return decode(model, context.rows(torch.tensor([row])), options, STOP, [row])


def texts(decoded: Decoded) -> list[list[int]]:
    pairs = zip(decoded.tokens[:, 0].tolist(), decoded.lengths[:, 0].tolist(), strict=True)
    return [tokens[:length] for tokens, length in pairs]


def padded(drafts: list[list[int]]) -> Tensor:
    rows = [torch.tensor(draft, dtype=torch.long) for draft in drafts]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=NO_TOKEN)


OPTIONS = [GREEDY, DecodingOptions(3, LONGEST), DecodingOptions(1, LONGEST, top_p=0.9)]


@pytest.mark.parametrize("options", OPTIONS, ids=["greedy", "beams", "sampled"])
def test_requests_whose_texts_have_ended_leave_the_batch_and_the_others_write_on_undisturbed(
    options: DecodingOptions,
) -> None:
    model, context = model_and_context()
    apart = [alone(row, options) for row in range(ROWS)]
    model.computed.clear()
    with torch.inference_mode():
        together = decode(model, context, options, STOP, range(ROWS))
    assert texts(together) == [texts(each)[0] for each in apart]
    lengths = together.lengths.amax(dim=1)
    steps = [int((lengths > step).sum()) for step in range(1, LONGEST)]  # texts that go on
    assert steps[0] > steps[5] > 0
    assert [rows for rows, _ in model.computed] == [bucket(left) for left in steps if left]
    torch.testing.assert_close(together.scores, torch.cat([each.scores for each in apart]), atol=1e-5, rtol=1e-5)


@st.composite
def drafts_of(draw: st.DrawFn, row: int) -> list[int]:
    """Right, wrong from somewhere on, too short, too long, or none at all; with and without the stop."""
    right = texts(alone(row, GREEDY))[0]
    kept = draw(st.integers(0, len(right)))
    return right[:kept] + draw(
        st.lists(st.sampled_from([STOP, 0, 38, 44]) | st.integers(0, VOCABULARY - 1), max_size=6)
    )


@given(st.tuples(*(drafts_of(row) for row in range(ROWS))))
@settings(max_examples=60, deadline=None)
def test_whatever_the_drafts_each_text_and_its_score_are_those_that_are_written_without(
    drafts: tuple[list[int], ...],
) -> None:
    model, context = model_and_context()
    with torch.inference_mode():
        drafted = decode(model, context, GREEDY, STOP, drafts=padded(list(drafts)))
    assert texts(drafted) == [texts(alone(row, GREEDY))[0] for row in range(ROWS)]
    scores = torch.cat([alone(row, GREEDY).scores for row in range(ROWS)])
    torch.testing.assert_close(drafted.scores, scores, atol=1e-5, rtol=1e-5)
    assert drafted.logprobs is not None
    for row in range(ROWS):
        known, found = alone(row, GREEDY).logprobs, drafted.logprobs[row, 0]
        assert known is not None
        expected = known[0, 0]
        torch.testing.assert_close(found[: len(expected)], expected, atol=1e-4, rtol=1e-5)
        assert not found[len(expected) :].any()


@torch.inference_mode()
def test_what_greedy_search_says_of_each_token_is_what_one_pass_over_the_text_says() -> None:
    model, context = model_and_context()
    decoded = decode(model, context, GREEDY, STOP)
    tokens, lengths = decoded.tokens[:, 0], decoded.lengths
    wide = context.widened(tokens.shape[1] - 1)
    logprobs = wide.logits_behind(model, tokens[:, :-1]).log_softmax(dim=-1).gather(2, tokens[:, :, None])[:, :, 0]
    assert decoded.logprobs is not None
    expected = logprobs.masked_fill(torch.arange(tokens.shape[1]) >= lengths, 0)
    torch.testing.assert_close(decoded.logprobs[:, 0], expected, atol=1e-4, rtol=1e-5)


def test_drafts_that_hold_are_read_at_once_and_no_token_is_written_alone() -> None:
    model, context = model_and_context()
    right = [[token for token in texts(alone(row, GREEDY))[0] if token != STOP] for row in range(ROWS)]
    model.computed.clear()
    with torch.inference_mode():
        decode(model, context, GREEDY, STOP, drafts=padded(right))
    assert model.computed == [(ROWS, LONGEST - 1)]


@pytest.mark.parametrize("options", OPTIONS, ids=["greedy", "beams", "sampled"])
def test_steps_in_fixed_buffers_write_the_same_texts_again_and_again(options: DecodingOptions) -> None:
    model, context = model_and_context()
    steps = FixedSteps(model)
    orders = [torch.arange(ROWS), torch.arange(ROWS).flip(0), torch.arange(4), torch.arange(ROWS)]
    for rows in orders:
        with torch.inference_mode():
            fixed = decode(model, context.rows(rows), options, STOP, rows.tolist(), fixed=steps)
        apart = [alone(row, options) for row in rows.tolist()]
        assert texts(fixed) == [texts(each)[0] for each in apart]
        torch.testing.assert_close(fixed.scores, torch.cat([each.scores for each in apart]), atol=1e-5, rtol=1e-5)


@given(st.tuples(*(drafts_of(row) for row in range(ROWS))))
@settings(max_examples=20, deadline=None)
def test_drafts_hold_in_fixed_buffers_as_far_as_elsewhere(drafts: tuple[list[int], ...]) -> None:
    model, context = model_and_context()
    with torch.inference_mode():
        drafted = decode(model, context, GREEDY, STOP, drafts=padded(list(drafts)), fixed=FixedSteps(model))
    assert texts(drafted) == [texts(alone(row, GREEDY))[0] for row in range(ROWS)]


def test_buffers_are_kept_by_shape_and_those_of_the_shapes_used_longest_ago_are_let_go() -> None:
    model, _ = model_and_context()
    steps = FixedSteps(model)
    with torch.inference_mode():
        first = steps.buffers(1, 1, 8)
        assert steps.buffers(1, 1, 8) is first
        for slots in range(9, 9 + MOST_SHAPES):
            steps.buffers(1, 1, slots)
        assert steps.buffers(1, 1, 8 + MOST_SHAPES) is steps.buffers(1, 1, 8 + MOST_SHAPES)
        assert steps.buffers(1, 1, 8) is not first


def test_a_draft_saves_as_many_steps_as_tokens_of_it_hold() -> None:
    model, context = model_and_context()
    row = max(range(ROWS), key=lambda row: len(texts(alone(row, GREEDY))[0]))
    text = texts(alone(row, GREEDY))[0]
    wrong = [*text[:4], (text[4] + 1) % VOCABULARY, *text[5:]]
    model.computed.clear()
    with torch.inference_mode():
        decode(model, context.rows(torch.tensor([row])), GREEDY, STOP, drafts=padded([wrong]))
    assert len(text) == LONGEST
    assert model.computed == [(1, LONGEST - 1)] + [(1, 1)] * (LONGEST - 5)

"""The cache and the masks change how much is computed, not what."""

from __future__ import annotations

import pytest
import torch

from pengi_stream.models.pengi.decoding import likelihoods
from pengi_stream.models.pengi.decoding.decode import decode
from pengi_stream.models.pengi.decoding.likelihoods import log_likelihoods
from pengi_stream.models.pengi.text.context import read, read_behind
from pengi_stream.models.pengi.text.language_model import LanguageModel
from pengi_stream.options import DecodingOptions

STOP = 0


def tiny() -> LanguageModel:
    torch.manual_seed(3)
    model = LanguageModel(vocabulary=50, positions=64, width=16, layers=2, heads=2).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return model


def full_logprobs(model: LanguageModel, prefix: torch.Tensor, tokens: list[int]) -> torch.Tensor:
    """Of each next token behind `prefix` and `tokens`, computed at once and without a cache."""
    embeddings = torch.cat((prefix, model.embed(torch.tensor(tokens, dtype=torch.long))))[None]
    return model.logits(model(embeddings))[0, len(prefix) - 1 :].log_softmax(-1)


@torch.inference_mode()
def test_tokens_written_one_by_one_behind_padded_prefixes_see_what_one_pass_sees() -> None:
    model = tiny()
    prefixes = [torch.randn(length, 16) for length in (3, 7, 5)]
    padded = torch.nn.utils.rnn.pad_sequence([*prefixes], batch_first=True, padding_value=9.0)
    context = read(model, padded, torch.tensor([3, 7, 5])).widened(4)
    tokens = torch.randint(50, (3, 4))
    steps = [
        context.write(model, tokens[:, step, None], torch.tensor([step]), torch.ones(1, 1, step + 1, dtype=torch.bool))
        for step in range(4)
    ]
    stepwise = [context.logits, *(model.logits(hidden[:, -1]) for hidden in steps)]
    for row, prefix in enumerate(prefixes):
        expected = full_logprobs(model, prefix, tokens[row].tolist())
        found = torch.stack([logits[row] for logits in stepwise]).log_softmax(-1)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_prompts_behind_a_beginning_that_is_read_once_see_what_one_pass_sees() -> None:
    model = tiny()
    shared, prompts, rows = torch.randn(2, 5, 16), torch.randn(3, 4, 16), torch.tensor([1, 0, 1])
    lengths = torch.tensor([4, 2, 3])
    found = read_behind(model, shared, rows, prompts, lengths)
    expected = read(model, torch.cat((shared[rows], prompts), dim=1), lengths + 5)
    torch.testing.assert_close(found.logits, expected.logits, atol=1e-5, rtol=1e-5)
    texts = [decode(model, context, DecodingOptions(2, 6), STOP).tokens for context in (found, expected)]
    assert torch.equal(*texts)


@torch.inference_mode()
def test_greedy_search_takes_the_most_likely_token_each_time_until_the_stop() -> None:
    model = tiny()
    prefix = torch.randn(4, 16)
    expected: list[int] = []
    for _ in range(12):
        expected.append(int(full_logprobs(model, prefix, expected)[-1].argmax()))
        if expected[-1] == STOP:
            break
    decoded = decode(model, read(model, prefix[None], torch.tensor([4])), DecodingOptions(1, 12), STOP)
    assert decoded.tokens[0, 0, : len(expected)].tolist() == expected
    assert int(decoded.lengths[0, 0]) == len(expected)


@torch.inference_mode()
def test_a_beams_score_is_the_mean_log_probability_of_its_tokens() -> None:
    model = tiny()
    prefix = torch.randn(4, 16)
    decoded = decode(model, read(model, prefix[None], torch.tensor([4])), DecodingOptions(3, 6), STOP)
    for beam in range(3):
        tokens = decoded.tokens[0, beam, : int(decoded.lengths[0, beam])].tolist()
        logprobs = full_logprobs(model, prefix, tokens[:-1])
        mean = torch.stack([logprobs[i, token] for i, token in enumerate(tokens)]).mean()
        torch.testing.assert_close(decoded.scores[0, beam], mean, atol=1e-5, rtol=1e-5)
    assert decoded.scores[0].tolist() == sorted(decoded.scores[0].tolist(), reverse=True)


@torch.inference_mode()
def test_a_labels_likelihood_is_that_of_its_tokens_and_the_stop() -> None:
    model = tiny()
    prefix = torch.randn(4, 16)
    labels = [[5], [7, 8, 9], [5, 11]]
    found = log_likelihoods(model, read(model, prefix[None], torch.tensor([4])), labels, STOP)[0]
    for label, likelihood in zip(labels, found, strict=True):
        logprobs = full_logprobs(model, prefix, label)
        expected = sum(logprobs[i, token] for i, token in enumerate([*label, STOP]))
        torch.testing.assert_close(likelihood, torch.as_tensor(expected), atol=1e-4, rtol=1e-5)


@torch.inference_mode()
def test_labels_that_share_beginnings_score_the_same_alone_and_in_any_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    context = read(model, torch.randn(2, 4, 16), torch.tensor([4, 3]))
    labels = [[5], [7, 8, 9], [5, 11], [7, 8], [], [7, 8, 2], [7, 8, 9]]
    alone = torch.cat([log_likelihoods(model, context, [label], STOP) for label in labels], dim=1)
    for bytes_at_once in (1, 20_000, 1 << 28):
        monkeypatch.setattr(likelihoods, "BYTES_AT_ONCE", bytes_at_once)
        together = log_likelihoods(model, context, labels, STOP)
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)

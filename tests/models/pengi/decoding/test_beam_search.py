"""Beams of a batch, against the published loop written plainly for one request."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from pengi_stream.models.pengi.decoding.decode import BeamSearch

VOCABULARY, LENGTH, REQUESTS = 23, 9, 6


def logprobs_after(request: int, tokens: Sequence[int], stop: int, gain: float) -> Tensor:
    """A language model without a network: any text has next tokens of its own."""
    seed = request
    for token in tokens:
        seed = (seed * 1_000_003 + token + 1) % (1 << 40)
    logits = 2 * torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(seed))
    logits[stop] += gain
    return logits.log_softmax(0)


def published_beams(request: int, beams: int, stop: int, gain: float) -> list[tuple[list[int], float]]:
    totals, first = logprobs_after(request, [], stop, gain).topk(beams)
    texts = [[int(token)] for token in first]
    lengths, stopped = torch.ones(beams), [text[0] == stop for text in texts]
    for _ in range(LENGTH - 1):
        if all(stopped):
            break
        means = []
        for beam, text in enumerate(texts):
            logprobs = logprobs_after(request, text, stop, gain)
            if stopped[beam]:
                logprobs = torch.full_like(logprobs, -torch.inf)
                logprobs[0] = 0
            else:
                lengths[beam] += 1
            means.append((totals[beam] + logprobs) / lengths[beam])
        best, index = torch.stack(means).flatten().topk(beams)
        origins, tokens = (index // VOCABULARY).tolist(), (index % VOCABULARY).tolist()
        lengths = lengths[origins]
        totals = best * lengths
        texts = [[*texts[origin], token] for origin, token in zip(origins, tokens, strict=True)]
        stopped = [stopped[origin] or token == stop for origin, token in zip(origins, tokens, strict=True)]
    found = [(text[: int(n)], float(total / n)) for text, n, total in zip(texts, lengths, totals, strict=True)]
    return sorted(found, key=lambda beam: -beam[1])


@pytest.mark.parametrize("gain", [0.0, 3.0, 5.0], ids=["rare", "frequent", "immediate"])
@pytest.mark.parametrize("beams", [1, 3, 5])
@pytest.mark.parametrize("stop", [0, 5])
def test_a_batch_finds_the_beams_that_the_published_loop_finds_for_each_request(
    stop: int, beams: int, gain: float
) -> None:
    first = [logprobs_after(request, [], stop, gain) for request in range(REQUESTS)]
    search = BeamSearch(torch.stack(first), beams, stop, LENGTH)
    texts = [[[token] for token in row] for row in search.last_tokens.tolist()]
    while search.running.any():
        rows = [[logprobs_after(r, text, stop, gain) for text in texts[r]] for r in range(REQUESTS)]
        origins = search.update(torch.stack([torch.stack(row) for row in rows])).tolist()
        tokens = search.last_tokens.tolist()
        texts = [
            [[*texts[r][origin], token] for origin, token in zip(origins[r], tokens[r], strict=True)]
            for r in range(REQUESTS)
        ]
    decoded = search.finalize()
    for request in range(REQUESTS):
        for beam, (expected, score) in enumerate(published_beams(request, beams, stop, gain)):
            assert decoded.tokens[request, beam, : int(decoded.lengths[request, beam])].tolist() == expected
            assert float(decoded.scores[request, beam]) == pytest.approx(score, abs=1e-5)

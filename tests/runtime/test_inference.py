"""What the model said, and what became of what it did not say, comes out behind it, rounded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from parts import HOP, LANE, PROMPT, RATE, WINDOW, window

from pengi_stream.engine.batcher import Shed
from pengi_stream.engine.reorder import Expected, Finished, Ordered, Passing
from pengi_stream.errors import ModelError
from pengi_stream.metrics import Metrics
from pengi_stream.options import Prompt
from pengi_stream.outcomes import Heard, Outcome, Unheard, span_of
from pengi_stream.protocols import AudioLanguageModel
from pengi_stream.runtime.channel import Channel, Fifo
from pengi_stream.runtime.inference import CONFIDENCE_DIGITS, SCORE_DIGITS, Inference
from pengi_stream.types import Batch, Generation, Request, Stream

DOOR = Stream("door")
LABELS = Prompt("labels", "this is a sound of", labels=("dog", "rain"))


class Says(AudioLanguageModel):
    """Says `text` of all but the windows in `refuses`, which it counts from sample 0 on; remembers batch sizes."""

    sample_rate, window_samples, hop_grid_samples, identity = RATE, WINDOW, 1, "says"

    def __init__(self, refuses: Sequence[int] = (), *, refuses_silence: bool = False, leaves_out: int = 0) -> None:
        self._refuses = refuses
        self._refuses_silence = refuses_silence
        self._leaves_out = leaves_out
        self.sizes: list[int] = []

    def generate(self, batch: Batch) -> list[Generation]:
        self.sizes.append(len(batch.requests))
        for request in batch.requests:
            silent = not np.any(request.window.samples)
            if self._refuses_silence if silent else request.first_sample in self._refuses:
                raise ModelError("out of memory")
        scores = {"dog": 0.12345678, "rain": 0.87654322} if batch.labels else None
        given = [Generation(request, "rain", 0.123456, scores) for request in batch.requests]
        return given[: len(given) - self._leaves_out]


class Asked:
    """What came out of `Inference` for `items`."""

    def __init__(self, model: AudioLanguageModel, *items: Batch | Shed, keeps_samples: bool = False) -> None:
        requests: Channel[Request, Batch | Shed] = Channel(Fifo(100))  # type: ignore[arg-type]
        joined: Channel[Expected | Passing | Finished, Ordered] = Channel(Fifo(100))  # type: ignore[arg-type]
        self.metrics = Metrics()
        for item in items:
            self.metrics.ledgers.enter("requests", len(item.requests) if isinstance(item, Batch) else 1)
            requests.put(item)  # type: ignore[arg-type]
        requests.close()
        Inference(model, self.metrics, keeps_samples).work(requests, joined)
        joined.close()
        self.outcomes: dict[int, Outcome] = {}
        while isinstance(finished := joined.get(), Finished):
            for sequence, outcome in finished.outcomes:
                assert sequence not in self.outcomes
                self.outcomes[sequence] = outcome

    def fates(self) -> dict[str, int]:
        """Those of requests; they balance."""
        assert self.metrics.ledgers.in_flight("requests") == 0
        found = {fate: self.metrics.ledgers.count("requests", fate) for fate in ("generated", "failed", "shed")}
        return {fate: n for fate, n in found.items() if n}


def request(number: int = 0, prompt: Prompt = PROMPT) -> Request:
    return Request(window(DOOR, number, offset=10 + number), prompt, sequence=100 + number)


def test_what_waited_too_long_is_unheard_and_says_for_which_prompt_and_why() -> None:
    late = request(3)
    asked = Asked(Says(), Shed(late, "waited longer than max_age_s (30 s)"))
    assert asked.outcomes == {103: Unheard(span_of(late.window), "waited longer than max_age_s (30 s)", PROMPT)}
    assert asked.fates() == {"shed": 1}


def test_answers_are_known_by_the_sequence_numbers_of_their_requests() -> None:
    asked = Asked(Says(), Batch((request(2), request(0))), Batch((request(1),)))
    assert {sequence: outcome.first_sample for sequence, outcome in asked.outcomes.items()} == {  # type: ignore[union-attr]
        100: 0,
        101: HOP,
        102: 2 * HOP,
    }
    assert asked.fates() == {"generated": 3}
    assert asked.metrics.registry.get_sample_value("pengi_stream_batch_size_sum") == 3


def test_confidence_and_scores_are_rounded_before_anything_decides_by_them() -> None:
    [heard] = Asked(Says(), Batch((request(0, LABELS),))).outcomes.values()
    assert isinstance(heard, Heard)
    assert heard.confidence == round(0.123456, CONFIDENCE_DIGITS) == 0.1235
    assert heard.scores == {"dog": round(0.12345678, SCORE_DIGITS), "rain": round(0.87654322, SCORE_DIGITS)}


def test_an_answer_says_which_record_its_window_begins_in() -> None:
    [heard] = Asked(Says(), Batch((request(4),))).outcomes.values()
    assert isinstance(heard, Heard)
    assert heard.origin == {"lane": LANE, "offset": 14}
    assert (heard.span, heard.prompt, heard.text) == (span_of(request(4).window), PROMPT, "rain")


@pytest.mark.parametrize("keeps_samples", [False, True])
def test_samples_are_kept_behind_the_model_only_where_a_sink_wants_them(keeps_samples: bool) -> None:
    asked = request()
    [heard] = Asked(Says(), Batch((asked,)), keeps_samples=keeps_samples).outcomes.values()
    assert isinstance(heard, Heard)
    assert heard.window is (asked.window if keeps_samples else None)


def test_the_window_on_which_a_model_fails_is_found_and_becomes_a_dead_letter() -> None:
    model = Says(refuses=[HOP])
    asked = Asked(model, Batch((request(0), request(1), request(2))))
    failed = asked.outcomes[101]
    assert isinstance(failed, Unheard)
    assert (failed.reason, failed.prompt) == ("the model failed on it", PROMPT)
    assert failed.record is not None
    assert (failed.record.position, failed.record.exception) == (request(1).window.position, "ModelError")
    assert "0.05 s, prompt 'caption': out of memory" in failed.record.reason
    assert [type(asked.outcomes[number]) for number in (100, 102)] == [Heard, Heard]
    assert model.sizes == [3, 1, 1, 1, 1]  # together, each alone, and silence for the one that failed
    assert asked.fates() == {"generated": 2, "failed": 1}


def test_a_model_that_fails_on_silence_too_is_broken_and_no_window_is_blamed() -> None:
    with pytest.raises(ModelError, match="fails on every window: out of memory"):
        Asked(Says(refuses=[0], refuses_silence=True), Batch((request(0),)))


def test_a_model_that_leaves_requests_out_loses_none_in_silence() -> None:
    asked = Asked(Says(leaves_out=1), Batch((request(0), request(1))))
    assert {sequence: type(outcome) for sequence, outcome in asked.outcomes.items()} == {100: Unheard, 101: Unheard}
    assert asked.fates() == {"failed": 2}

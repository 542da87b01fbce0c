"""Recordings, windows and answers come together again in the right order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pengi_stream.api import Answer, DecodingOptions
from pengi_stream.errors import AudioError, ConfigError, ModelError
from pengi_stream.lab.evaluation.dataset.ask import FILES_AT_ONCE, Asking, Prediction, Unreadable, predictions
from pengi_stream.lab.evaluation.dataset.table import Item

LABELS = ("cat", "dog")
OPTIONS = DecodingOptions(beams=2)


class Scripted:
    """Hears three windows in each recording and speaks of their names; `broken` recordings cannot be read."""

    identity = "scripted"

    def __init__(self, broken: Sequence[str] = ()) -> None:
        self.broken = broken
        self.calls: list[tuple[str, int]] = []
        self.hops: set[float | None] = set()

    def generate(self, audio, prompts, options, *, hop_s):
        assert options is OPTIONS
        return self._answers(audio, prompts, hop_s)

    def rank(self, audio, prompt, labels, *, hop_s):
        return self._answers(audio, prompt, hop_s, labels)

    def match(self, audio, prompt, labels, options, *, hop_s):
        assert options is OPTIONS
        return self._answers(audio, f"match {prompt}", hop_s, labels)

    def _answers(self, audio, prompt, hop_s, labels=()):
        self.calls.append((prompt, len(audio)))
        self.hops.add(hop_s)
        for path in audio:
            if path.stem in self.broken:
                raise AudioError(f"{path} is no audio")
        return [
            Answer(index, start, start + 1, prompt, f"{path.stem} {start}", sure, _scores(labels, sure))
            for index, path in enumerate(audio)
            for start, sure in enumerate((0.5, 0.9, 0.7))
        ]


def _scores(labels: Sequence[str], sure: float) -> dict[str, float] | None:
    return {label: sure if label == "dog" else 1 - sure for label in labels} if labels else None


def items(*names: str, questions: Sequence[str | None] = ()) -> list[Item]:
    asked = questions or [None] * len(names)
    return [Item(Path(f"{n}.wav"), n, ("dog",), q) for n, q in zip(names, asked, strict=True)]


def asking(way: str, *, first: bool = False) -> Asking:
    return Asking("this is", way, () if way == "write" else LABELS, OPTIONS, first)  # type: ignore[arg-type]


def test_of_free_text_the_surest_window_speaks_for_the_recording() -> None:
    said = list(predictions(Scripted(), items("a", "b"), asking("write")))
    assert [(one.item.name, one.text, one.confidence, one.scores) for one in said] == [
        ("a", "a 1", 0.9, None),
        ("b", "b 1", 0.9, None),
    ]


@pytest.mark.parametrize(("way", "prompt"), [("rank", "this is"), ("match", "match this is")])
def test_scores_of_labels_are_averaged_over_the_windows(way: str, prompt: str) -> None:
    model = Scripted()
    [one] = predictions(model, items("a"), asking(way))
    assert isinstance(one, Prediction)
    assert (one.text, one.confidence) == ("dog", pytest.approx(0.7))
    np.testing.assert_allclose(one.scores, [0.3, 0.7], atol=1e-6)
    assert model.calls == [(prompt, 1)]


def test_recordings_are_asked_in_batches_and_come_back_in_order() -> None:
    names = [str(number) for number in range(2 * FILES_AT_ONCE + 3)]
    model = Scripted()
    assert [one.item.name for one in predictions(model, items(*names), asking("rank"))] == names
    assert [size for _, size in model.calls] == [FILES_AT_ONCE, FILES_AT_ONCE, 3]


def test_each_recording_is_asked_its_own_question() -> None:
    model = Scripted()
    asked = items("a", "b", "c", questions=["wet?", "wet?", "dry?"])
    assert [one.item.name for one in predictions(model, asked, asking("rank"))] == ["a", "b", "c"]
    assert model.calls == [("this is wet?", 2), ("this is dry?", 1)]


def test_a_recording_that_cannot_be_read_is_named_and_the_rest_is_heard() -> None:
    said = list(predictions(Scripted(broken=["b"]), items("a", "b", "c"), asking("rank")))
    assert [type(one) for one in said] == [Prediction, Unreadable, Prediction]
    assert said[1] == Unreadable(said[1].item, "b.wav is no audio")
    assert [one.item.name for one in said] == ["a", "b", "c"]


def test_a_model_that_fails_ends_the_evaluation() -> None:
    class Failing(Scripted):
        def rank(self, audio, prompt, labels, *, hop_s):
            raise ModelError("the prompt is too long")

    with pytest.raises(ModelError, match="too long"):
        list(predictions(Failing(), items("a"), asking("rank")))


def test_the_first_window_alone_is_heard_on_request() -> None:
    model = Scripted()
    list(predictions(model, items("a"), asking("rank")))
    assert model.hops == {None}
    model.hops.clear()
    list(predictions(model, items("a"), asking("rank", first=True)))
    [hop_s] = model.hops
    assert hop_s is not None
    assert hop_s > 24 * 3600


def test_a_model_that_cannot_compare_texts_ranks_only() -> None:
    class Ranking:
        rank, generate, _answers = Scripted.rank, Scripted.generate, Scripted._answers
        identity, broken = "ranking", ()

        def __init__(self) -> None:
            self.calls, self.hops = [], set()

    assert len(list(predictions(Ranking(), items("a"), asking("rank")))) == 1
    with pytest.raises(ConfigError, match=r"--by match: .*; use --by rank"):
        list(predictions(Ranking(), items("a"), asking("match")))

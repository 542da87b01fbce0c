"""What Pengi can do, from Python: describe, rank, match, retrieve, embed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import pengi_stream
from pengi_stream.api import DecodingOptions, Model
from pengi_stream.errors import AudioError, CheckpointError, ConfigError
from pengi_stream.models.pengi.decoding import likelihoods
from pengi_stream.models.pengi.text.language_model import LanguageModel
from pengi_stream.types import Samples

RATE = 16_000
EVENTS = "this is a sound of"
LABELS = ["a dog barks", "rain", "a person speaks"]
SHORT = DecodingOptions(max_new_tokens=6)


@pytest.fixture(scope="module")
def pengi(folder: Path) -> Model:
    return pengi_stream.load_model(folder, device="cpu")


@pytest.fixture(scope="module")
def audio(pengi: Model) -> list[Samples]:
    """Three recordings, of one, two and half a window."""
    return [tone(pengi.window_s * windows, 300 * (seed + 1)) for seed, windows in enumerate((1, 2, 0.5))]


def tone(seconds: float, hertz: float) -> Samples:
    rng = np.random.default_rng(int(hertz))
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * hertz * time) + rng.normal(0, 0.02, len(time))).astype(np.float32)


def test_a_description_is_the_three_prompts_answers_in_one_sentence(pengi: Model, audio: list[Samples]) -> None:
    found = pengi.describe(audio, SHORT, sample_rate=RATE, hop_s=pengi.window_s)
    prompts = ["generate audio caption", "generate metadata", EVENTS]
    said = pengi.generate(audio, prompts, SHORT, sample_rate=RATE, hop_s=pengi.window_s)
    assert [a for d in found for a in (d.caption, d.metadata, d.events)] == said
    first = found[0]
    assert first.text == f"{said[0].text} {said[1].text} this audio contains sound events: {said[2].text}."


def test_a_rank_is_corrected_for_what_labels_are_without_audio_unless_told_otherwise(
    pengi: Model, audio: list[Samples]
) -> None:
    corrected, plain, normalized = (
        pengi.rank(audio[0], EVENTS, LABELS, sample_rate=RATE, **rules)[0].scores
        for rules in ({}, {"prior_corrected": False}, {"prior_corrected": False, "normalized": True})
    )
    assert corrected is not None
    assert plain is not None
    assert normalized is not None
    assert corrected != pytest.approx(plain, abs=1e-3)
    assert normalized != pytest.approx(plain, abs=1e-3)
    assert max(normalized.values()) < max(plain.values())  # divided by the tokens, they lie closer together


def test_a_match_is_the_label_that_is_most_similar_to_what_was_written(pengi: Model, audio: list[Samples]) -> None:
    written = pengi.generate(audio, EVENTS, SHORT, sample_rate=RATE)
    labels = [*LABELS, written[0].text]
    answers = pengi.match(audio, EVENTS, labels, SHORT, sample_rate=RATE)
    assert [(a.audio, a.written, a.confidence) for a in answers] == [(a.audio, a.text, a.confidence) for a in written]
    assert answers[0].text == written[0].text
    for answer in answers:
        assert answer.scores is not None
        assert list(answer.scores) == labels
        assert answer.text == max(labels, key=answer.scores.__getitem__)
        assert all(-1.0001 <= score <= 1.0001 for score in answer.scores.values())
    assert answers[0].scores is not None
    assert answers[0].scores[written[0].text] == pytest.approx(1, abs=1e-5)


def test_a_text_finds_recordings_and_a_recording_finds_texts_by_the_same_scores(
    pengi: Model, audio: list[Samples], tmp_path: Path
) -> None:
    paths = [tmp_path / f"{index}.wav" for index in range(len(audio))]
    for path, samples in zip(paths, audio, strict=True):
        soundfile.write(path, samples, RATE, subtype="FLOAT")
    by_text = {text: pengi.retrieve(text, [str(path) for path in paths]) for text in LABELS}
    by_audio = [pengi.retrieve(path, LABELS) for path in paths]
    for found in (*by_text.values(), *by_audio):
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    scores = {(one.audio, one.text): one.score for found in by_text.values() for one in found}
    assert len(scores) == len(audio) * len(LABELS)
    for index, found in enumerate(by_audio):
        assert {one.text: one.score for one in found} == pytest.approx(
            {text: scores[index, text] for text in LABELS}, abs=1e-3
        )
    assert pengi.retrieve(audio[1], LABELS, sample_rate=RATE) == by_audio[1]


def test_embeddings_of_audio_have_a_row_for_each_window(pengi: Model, audio: list[Samples]) -> None:
    found = pengi.audio_embeddings(audio, sample_rate=RATE, hop_s=pengi.window_s)
    assert found.audio.tolist() == [0, 1, 1, 2]
    assert found.start_s == pytest.approx([0, 0, pengi.window_s, 0])
    assert found.end_s == pytest.approx([pengi.window_s, pengi.window_s, 2 * pengi.window_s, pengi.window_s / 2])
    assert found.prefix.shape == (4, 4, 32)
    assert found.embedding.shape == (4, 3090)
    alone = pengi.audio_embeddings(audio[2], sample_rate=RATE)
    assert alone.prefix[0] == pytest.approx(found.prefix[3], abs=1e-3)
    assert alone.embedding[0] == pytest.approx(found.embedding[3], abs=1e-3)


def test_embeddings_of_prompts_say_how_many_slots_count(pengi: Model) -> None:
    found = pengi.prompt_embeddings([EVENTS, "rain", "rain " * 100])
    assert found.prefix.shape == found.embedding.shape == (3, 40, 32)
    short, long = found.lengths[1], found.lengths[2]
    assert short < found.lengths[0] < long == 40  # cut
    assert found.prefix[1, 0] == pytest.approx(found.prefix[2, 0])


def test_five_thousand_labels_are_ranked_a_part_at_a_time(
    pengi: Model, audio: list[Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    logits = LanguageModel.logits

    def watched(self: LanguageModel, hidden: torch.Tensor) -> torch.Tensor:
        found = logits(self, hidden)
        sizes.append(found.nbytes)
        return found

    monkeypatch.setattr(LanguageModel, "logits", watched)
    labels = [f"rain {number}" for number in range(5_000)]
    answers = pengi.rank(audio, EVENTS, labels, sample_rate=RATE, hop_s=pengi.window_s)
    assert [len(answer.scores or {}) for answer in answers] == [5_000] * 4
    assert len(sizes) > 2
    assert 3 * max(sizes) <= likelihoods.BYTES_AT_ONCE  # they, their copy in float32 and its log-softmax


@pytest.mark.parametrize(
    "use",
    [
        lambda pengi, audio: pengi.describe(audio, sample_rate=RATE),
        lambda pengi, audio: pengi.rank(audio, EVENTS, LABELS, sample_rate=RATE),
        lambda pengi, audio: pengi.match(audio, EVENTS, LABELS, sample_rate=RATE),
        lambda pengi, audio: pengi.retrieve("rain", audio, sample_rate=RATE),
        lambda pengi, audio: pengi.audio_embeddings(audio, sample_rate=RATE),
    ],
    ids=["describe", "rank", "match", "retrieve", "embed"],
)
@pytest.mark.parametrize("audio", [[], np.full(RATE, np.nan, np.float32)], ids=["none", "nan"])
def test_bad_audio_is_refused_by_each(pengi: Model, use: Callable[..., object], audio: object) -> None:
    with pytest.raises(AudioError, match=r"no audio|NaN"):
        use(pengi, audio)


def test_no_labels_no_texts_and_empty_prompts_are_refused(pengi: Model, audio: list[Samples]) -> None:
    for refused in (
        lambda: pengi.match(audio, EVENTS, [], sample_rate=RATE),
        lambda: pengi.match(audio, "", LABELS, sample_rate=RATE),
        lambda: pengi.rank(audio, " ", LABELS, sample_rate=RATE),
        lambda: pengi.retrieve(audio[0], [], sample_rate=RATE),
        lambda: pengi.retrieve("", audio, sample_rate=RATE),
        lambda: pengi.prompt_embeddings([]),
    ):
        with pytest.raises(ConfigError, match="expected"):
            refused()


def test_a_folder_of_another_kind_of_model_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}')
    with pytest.raises(CheckpointError, match=r"config\.json: .*; expected a folder as pengi-stream convert") as caught:
        pengi_stream.load_model(tmp_path)
    assert "\n" not in str(caught.value)

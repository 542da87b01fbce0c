"""Scores of captions, where the extra `eval` is installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pengi_stream.errors import ConfigError
from pengi_stream.lab.evaluation.dataset.captioning import cider_d, normalized, sentence_similarity

SAID = ["a man is speaking", "rain falls"]
TRUE = [
    ["a man speaks.", "someone speaks.", "a man is speaking while a bird is chirping in the background"],
    ["rain is falling hard on a surface"],
]


@pytest.fixture
def eval_extra() -> None:
    pytest.importorskip("aac_metrics", reason="the extra eval is not installed")


@pytest.mark.usefixtures("eval_extra")
def test_cider_d_is_what_aac_metrics_documents_for_its_own_example() -> None:
    found = cider_d(SAID, TRUE)
    assert found.mean == pytest.approx(0.9614, abs=1e-4)
    assert found.each == pytest.approx((1.3641, 0.5587), abs=1e-4)


@pytest.mark.usefixtures("eval_extra")
def test_case_and_punctuation_do_not_count() -> None:
    assert normalized("  A man speaks, loudly... ") == "a man speaks loudly"
    assert cider_d(["A man is SPEAKING!", "Rain falls."], TRUE) == cider_d(SAID, TRUE)


def test_cider_d_of_one_recording_is_refused() -> None:
    with pytest.raises(ConfigError, match="found 1 recording, expected 2 or more"):
        cider_d(SAID[:1], TRUE[:1])


def test_without_the_extra_the_command_that_installs_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aac_metrics.functional", None)
    with pytest.raises(ConfigError, match=r'pip install "pengi-stream\[eval\]"'):
        cider_d(SAID, TRUE)


@pytest.fixture(scope="module")
def sentence_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence encoder of two tiny layers with random weights."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("aac_metrics", reason="the extra eval is not installed")
    folder = tmp_path_factory.mktemp("sentences")
    words = sorted({word for text in [*SAID, *TRUE[0], *TRUE[1]] for word in normalized(text).split()})
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *words]))
    tokenizer = transformers.BertTokenizerFast(vocab=str(folder / "vocab.txt"))
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    transformers.BertModel(config).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    return folder / "bert"


def test_a_caption_is_most_similar_to_itself(sentence_model: Path) -> None:
    found = sentence_similarity(SAID, [[SAID[0]], TRUE[1]], sentence_model)
    assert found.each[0] == pytest.approx(1, abs=1e-5)
    assert found.each[1] < 1
    assert found.mean == pytest.approx(sum(found.each) / 2)


@pytest.mark.usefixtures("eval_extra")
def test_a_folder_without_a_sentence_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder; expected a sentence-transformers model"):
        sentence_similarity(SAID, TRUE, tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="cannot be loaded as a sentence-transformers model"):
        sentence_similarity(SAID, TRUE, tmp_path)

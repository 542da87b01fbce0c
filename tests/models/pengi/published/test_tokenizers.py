"""The published vocabularies, where PENGI_TEST_TOKENIZERS names a folder that holds them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pengi_stream.errors import CheckpointError
from pengi_stream.models.pengi.published.convert import prompt_tokenizer
from pengi_stream.models.pengi.published.tokenizers import clip_tokenizer, gpt2_tokenizer


@pytest.fixture(scope="module")
def folder() -> Path:
    if "PENGI_TEST_TOKENIZERS" not in os.environ:
        pytest.skip("PENGI_TEST_TOKENIZERS does not name a folder with gpt2/ and clip/")
    return Path(os.environ["PENGI_TEST_TOKENIZERS"])


def test_clip_marks_a_prompt_with_start_and_end(folder: Path) -> None:
    tokenizer = clip_tokenizer(folder)
    assert tokenizer.encode("generate audio caption").ids == [49406, 16896, 5766, 11327, 49407]
    assert tokenizer.get_vocab_size() == 49_408


def test_clip_minds_neither_case_nor_spaces(folder: Path) -> None:
    tokenizer = clip_tokenizer(folder)
    assert tokenizer.encode("  Generate\taudio  CAPTION ").ids == tokenizer.encode("generate audio caption").ids


def test_gpt2_gives_the_tokens_of_its_vocabulary_and_its_end_mark(folder: Path) -> None:
    tokenizer = gpt2_tokenizer(folder)
    assert tokenizer.encode("Hello world").ids == [15496, 995]
    assert tokenizer.encode("this is a sound of <|endoftext|>").ids == [5661, 318, 257, 2128, 286, 220, 50256]
    assert tokenizer.get_vocab_size() == 50_257


def test_gpt2_never_merges_the_padding_token_with_its_neighbours_but_still_writes_it(folder: Path) -> None:
    tokenizer = gpt2_tokenizer(folder)
    ids = tokenizer.encode("listen !!").ids
    assert ids[-3:] == [220, 0, 0]
    assert tokenizer.decode(ids) == "listen !!"


def test_prompts_are_padded_to_40_tokens_and_longer_ones_are_cut(folder: Path) -> None:
    clip, gpt2 = prompt_tokenizer("base", folder), prompt_tokenizer("base_no_text_enc", folder)
    assert clip.encode("").ids == [49406, *[49407] * 39]
    assert clip.encode("dog " * 100).ids == [49406, *[1929] * 38, 49407]
    assert gpt2.encode("generate metadata <|endoftext|>").ids == [8612, 378, 20150, 220, 50256, *[0] * 35]
    assert len(gpt2.encode("dog " * 100).ids) == 40


@pytest.mark.parametrize("tokenizer", [clip_tokenizer, gpt2_tokenizer])
def test_a_folder_without_the_vocabulary_is_named(tokenizer: object, tmp_path: Path) -> None:
    assert callable(tokenizer)
    with pytest.raises(CheckpointError, match=str(tmp_path)):
        tokenizer(tmp_path)

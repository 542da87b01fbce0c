"""`convert` and `download` name what is wrong with a published checkpoint, and write nothing then."""

from __future__ import annotations

import gzip
import json
import socket
from pathlib import Path

import pytest
from support import Run


@pytest.fixture
def tokenizers(tmp_path: Path) -> str:
    """Vocabularies in the published files' form, without a word in them."""
    for folder in ("gpt2", "clip"):
        (tmp_path / "tokenizers" / folder).mkdir(parents=True)
    (tmp_path / "tokenizers/gpt2/vocab.json").write_text(json.dumps({"<|endoftext|>": 0}))
    (tmp_path / "tokenizers/gpt2/merges.txt").write_text("#version: 0.2\n")
    merges = gzip.compress(b'"bpe_simple_vocab_16e6.txt#version: 0.2\n')
    (tmp_path / "tokenizers/clip/bpe_simple_vocab_16e6.txt.gz").write_bytes(merges)
    return "tokenizers"


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 cut"], ids=["empty", "text", "cut zip"])
def test_a_file_that_is_no_checkpoint_is_named_and_nothing_is_written(
    run: Run, tmp_path: Path, tokenizers: str, content: bytes
) -> None:
    (tmp_path / "base.pth").write_bytes(content)
    ended = run("convert", "base.pth", "--config", "base", "--output", "out", "--tokenizers", tokenizers)
    assert ended.status == 1
    assert ended.err.startswith("pengi-stream: base.pth")
    assert ended.err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base.pth", "tokenizers"]


def test_a_checkpoint_that_is_not_there_is_named(run: Run, tokenizers: str) -> None:
    ended = run("convert", "base.pth", "--config", "base", "--output", "out", "--tokenizers", tokenizers)
    assert (ended.status, ended.err) == (1, "pengi-stream: base.pth cannot be read: No such file or directory\n")


def test_an_output_that_exists_is_left_alone(run: Run, tmp_path: Path, tokenizers: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").touch()
    ended = run("convert", "base.pth", "--config", "base", "--output", "out", "--tokenizers", tokenizers)
    assert (ended.status, ended.err) == (1, "pengi-stream: out exists already; name a new folder\n")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_vocabularies_that_are_not_there_are_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "base.pth").touch()
    ended = run("convert", "base.pth", "--config", "base", "--output", "out", "--tokenizers", "nowhere")
    assert (ended.status, ended.err.count("\n")) == (1, 1)
    assert "nowhere/gpt2/vocab.json cannot be read" in ended.err


@pytest.mark.parametrize("arguments", [("convert", "base.pth", "--output", "out", "--config"), ("download",)])
def test_a_configuration_that_was_not_published_names_the_nearest(run: Run, arguments: tuple[str, ...]) -> None:
    ended = run(*arguments, "bas")
    assert ended.status == 2
    assert ended.err == "pengi-stream: no published configuration 'bas'; did you mean 'base'?\n"


def test_a_download_that_reaches_nobody_is_one_line_and_status_1(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as taken:  # bound, so nobody else can listen there
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/api/records/1"
        ended = run("download", "base", "--output", "out", "--url", url)
    assert ended.status == 1
    assert ended.err.startswith(f"pengi-stream: {url} cannot be had: ")
    assert ended.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []

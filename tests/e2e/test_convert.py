"""`convert` names what is wrong with a published checkpoint before it writes anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support import Run

TOKENIZERS = os.environ.get("PENGI_TEST_TOKENIZERS")
needs_tokenizers = pytest.mark.skipif(TOKENIZERS is None, reason="PENGI_TEST_TOKENIZERS names no vocabularies")


@needs_tokenizers
def test_a_file_that_is_no_checkpoint_is_named_and_nothing_is_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "base.pth").write_text("no checkpoint")
    ended = run("convert", "base.pth", "--config", "base", "--output", "out", "--tokenizers", str(TOKENIZERS))
    assert ended.status == 1
    assert ended.err.startswith("pengi-stream: base.pth")
    assert not (tmp_path / "out").exists()


def test_a_configuration_that_was_not_published_names_those_that_were(run: Run) -> None:
    ended = run("convert", "base.pth", "--config", "bas", "--output", "out")
    assert ended.status == 2
    assert "'bas'" in ended.err
    assert "'base'" in ended.err

"""Scores of captions, by `aac-metrics`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from pengi_stream.errors import ConfigError

NOT_IN_WORDS = re.compile(r"[^\w\s'-]")
INSTALL = 'pip install "pengi-stream[eval]"'


@dataclass(frozen=True, slots=True)
class Scored:
    """A metric over all captions, and of each."""

    mean: float
    each: tuple[float, ...]


def normalized(caption: str) -> str:
    """Lower case, without punctuation, words apart by one space."""
    return " ".join(NOT_IN_WORDS.sub(" ", caption.lower()).split())


def cider_d(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> Scored:
    """CIDEr-D of two captions or more, 0 to 10, with the references (one list for each) as its corpus.

    Words are what `normalized` leaves, where the original uses the Penn Treebank tokenizer, a Java program.
    Raises ConfigError.
    """
    if len(candidates) < 2:
        raise ConfigError("CIDEr-D weighs words by how rare they are; found 1 recording, expected 2 or more")
    said = [normalized(candidate) for candidate in candidates]
    true = [[normalized(reference) for reference in group] for group in references]
    return _scored(metrics().cider_d(said, true), "cider_d")


def sentence_similarity(candidates: Sequence[str], references: Sequence[Sequence[str]], folder: Path) -> Scored:
    """Mean cosine similarity of each caption to its references, by the sentence-transformers model in `folder`.

    Raises ConfigError.
    """
    from sentence_transformers import SentenceTransformer

    check_folder(folder)
    try:
        encoder = SentenceTransformer(str(folder), local_files_only=True)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder}: cannot be loaded as a sentence-transformers model: {error}") from error
    outputs = metrics().sbert_sim(list(candidates), [list(group) for group in references], sbert_model=encoder)
    return _scored(outputs, "sbert_sim")


def check_folder(folder: Path) -> None:
    """Raises ConfigError where there is nothing that `sentence_similarity` could load."""
    if not folder.is_dir():
        raise ConfigError(
            f"{folder}: no such folder; expected a sentence-transformers model, for example a download of "
            "sentence-transformers/paraphrase-TinyBERT-L6-v2"
        )


def metrics() -> ModuleType:
    """The functions of `aac-metrics`. Raises ConfigError where it is not installed."""
    try:
        return import_module("aac_metrics.functional")
    except ImportError as error:
        raise ConfigError(f"scores of captions need aac-metrics ({error}); {INSTALL}") from error


def _scored(outputs: tuple[Any, Any], name: str) -> Scored:
    of_all, of_each = outputs
    return Scored(float(of_all[name]), tuple(of_each[name].tolist()))

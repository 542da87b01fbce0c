"""Prompts and labels as users give them, checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pengi_stream.errors import ConfigError


def checked_prompts(prompts: str | Sequence[str]) -> list[str]:
    """One or more, none empty. Raises ConfigError."""
    texts = [prompts] if isinstance(prompts, str) else _listed(prompts)
    if not texts or not all(map(_is_named, texts)):
        raise ConfigError(f"found {prompts if texts else 'no prompt'!r}, expected prompts that are not empty")
    return texts


def checked_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """One or more, none empty and none twice. Raises ConfigError."""
    names = () if isinstance(labels, str) else tuple(_listed(labels))
    if not names or not all(map(_is_named, names)) or len(set(names)) < len(names):
        raise ConfigError(f"found the labels {labels!r:.200}, expected a list of them, none empty and none twice")
    return names


def _listed(texts: object) -> list[Any]:
    return list(texts) if isinstance(texts, Iterable) else []


def _is_named(text: object) -> bool:
    return isinstance(text, str) and bool(text.strip())

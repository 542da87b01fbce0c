"""Prompts and labels as users give them, checked."""

from __future__ import annotations

from collections.abc import Sequence

from pengi_stream.errors import ConfigError


def checked_prompts(prompts: str | Sequence[str]) -> list[str]:
    """One or more, none empty. Raises ConfigError."""
    texts = [prompts] if isinstance(prompts, str) else list(prompts)
    if not texts or not all(text.strip() for text in texts):
        raise ConfigError(f"found {texts or 'no prompt'}, expected prompts that are not empty")
    return texts


def checked_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """One or more, none empty and none twice. Raises ConfigError."""
    names = () if isinstance(labels, str) else tuple(labels)
    if not names or not all(name.strip() for name in names) or len(set(names)) < len(names):
        raise ConfigError(f"found the labels {labels!r:.200}, expected a list of them, none empty and none twice")
    return names

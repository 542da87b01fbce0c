"""What a run of the tests did not test, and why, in one line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePath

import pytest


def untested(skipped: Iterable[pytest.TestReport | pytest.CollectReport]) -> str:
    """Such as `3 models (no NVIDIA GPU), 12 e2e+kafka (KAFKA_HOME is not set)`, the most first."""
    folders = defaultdict[str, list[str]](list)
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        folders[reason.removeprefix("Skipped: ")].append(_folder(report.nodeid))
    groups = sorted(folders.items(), key=lambda group: -len(group[1]))
    return ", ".join(f"{len(where)} {'+'.join(sorted(set(where)))} ({reason})" for reason, where in groups)


def _folder(nodeid: str) -> str:
    """`kafka` of `tests/kafka/audio/test_source.py::test_a`."""
    return PurePath(nodeid.partition("::")[0]).parts[1].removesuffix(".py")

"""Fixtures for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pulse import Pulse, missing_parts, running_pulse


@pytest.fixture(scope="module")
def pulse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pulse]:
    """A private sound server for the tests of one file; skips where its parts are not installed."""
    if missing := missing_parts():
        pytest.skip(missing)
    with running_pulse(tmp_path_factory.mktemp("pulse")) as server:
        yield server

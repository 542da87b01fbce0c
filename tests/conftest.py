"""Fixtures for all tests."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import kafka_cluster
import pytest
import structlog
from hypothesis import settings
from kafka_cluster import Kafka, OwnCluster, own_cluster
from kafka_elsewhere import kafka_elsewhere
from pulse import Pulse, missing_parts, running_pulse
from untested import untested

settings.register_profile("untimed", deadline=None)  # how busy a machine is says nothing about the code
settings.load_profile("untimed")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
    """The last line but one says what was not tested, and why."""
    yield
    if skipped := terminalreporter.stats.get("skipped"):
        terminalreporter.write_line(f"not tested: {untested(skipped)}")


@pytest.fixture(autouse=True)
def _logging_of_its_own() -> Iterator[None]:
    """A command run within a test sends log lines to that test's stderr, which is closed after it."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def pulse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pulse]:
    """A private sound server for the tests of one file; skips where its parts are not installed."""
    if missing := missing_parts():
        pytest.skip(missing)
    with running_pulse(tmp_path_factory.mktemp("pulse")) as server:
        yield server


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """One broker for the whole session; skips where none is to be had."""
    missing = kafka_cluster.missing_parts()
    folder = tmp_path_factory.mktemp("kafka")
    if missing is None:
        with own_cluster(Path(os.environ["KAFKA_HOME"]), folder) as cluster:
            yield cluster
        return
    with kafka_elsewhere(folder) as found:
        if found is None:
            pytest.skip(f"{missing}; nor is there PENGI_TEST_KAFKA=host:port, a container engine or noida-db")
        yield found


@pytest.fixture(scope="session")
def three_brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnCluster]:
    """A cluster of three, replicas on all of them; skips where they cannot be started."""
    if missing := kafka_cluster.missing_parts():
        pytest.skip(missing)
    with own_cluster(Path(os.environ["KAFKA_HOME"]), tmp_path_factory.mktemp("kafka3"), brokers=3) as cluster:
        yield cluster

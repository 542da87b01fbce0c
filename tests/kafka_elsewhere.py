"""A broker for tests where no KAFKA_HOME is: a given one, a container's, or the `noida-db` wheel's."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kafka_cluster import Kafka, free_ports, serves, wait_for

IMAGE = "apache/kafka:4.1.0"

NOIDA_LACKS = frozenset(
    {
        "bound of fetches",
        "deletion of topics in use",  # reading makes them again
        "fencing of members",
        "handing over of partitions",
        "time-out of transactions",
    }
)


@contextmanager
def kafka_elsewhere(folder: Path) -> Iterator[Kafka | None]:
    """The first that there is of PENGI_TEST_KAFKA=host:port, a container engine with testcontainers, noida-db."""
    if given := os.environ.get("PENGI_TEST_KAFKA"):
        yield Kafka(given, f"PENGI_TEST_KAFKA={given}")
    elif importlib.util.find_spec("testcontainers") and _engine_runs():
        with _container() as kafka:
            yield kafka
    elif importlib.util.find_spec("noida_db"):
        with _noida(folder) as kafka:
            yield kafka
    else:
        yield None


def _engine_runs() -> bool:
    docker = shutil.which("docker")
    return docker is not None and subprocess.run([docker, "info"], capture_output=True, check=False).returncode == 0


@contextmanager
def _container() -> Iterator[Kafka]:
    from testcontainers.kafka import KafkaContainer

    with KafkaContainer(IMAGE).with_kraft() as container:
        yield Kafka(container.get_bootstrap_server(), f"the container of {IMAGE}")


@contextmanager
def _noida(folder: Path) -> Iterator[Kafka]:
    [port] = free_ports(1)
    address = f"127.0.0.1:{port}"
    with (folder / "noida.log").open("ab") as log:
        command = [sys.executable, "-m", "noida_db.cli", "start", "--only", "kafka"]
        options = ["--kafka-port", str(port), "--data-dir", str(folder)]
        process = subprocess.Popen([*command, *options], stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(lambda: serves(address), "noida-db serving")
        yield Kafka(address, "noida-db", {"receive_message_max_bytes": 2**31 - 1}, NOIDA_LACKS)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # the command has a server as its child
        process.wait()

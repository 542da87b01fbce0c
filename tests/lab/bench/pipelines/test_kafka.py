"""The Kafka benchmark runs, and its figures belong together."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from kafka_cluster import Kafka
from support import environment


@pytest.mark.parametrize("stage", ["cut", "flac"])
def test_the_benchmark_of_kafka_reads_all_that_it_wrote(kafka: Kafka, stage: str) -> None:
    if kafka.client_options:
        pytest.skip("the benchmark fills a broker as it is, without further options")
    options = ["--streams", "3", "--seconds", "8", "--partitions", "2", "--processes", "2", "--stage", stage]
    ended = subprocess.run(
        [sys.executable, "-m", "pengi_stream", "bench", "kafka", "--bootstrap-server", kafka.bootstrap, *options],
        capture_output=True,
        env=environment(),
        timeout=100,
        check=True,
    )
    figures = json.loads(ended.stdout)
    assert figures["records"] == 11
    heard_mb = figures["megabytes_a_second"] * figures["wall_s"]
    assert heard_mb == pytest.approx(3 * 11 * 65_536 / 1e6, rel=0.1)
    assert figures["streams_sustained"] == pytest.approx(figures["megabytes_a_second"] * 1e6 / 88_200, rel=0.1)
    assert figures["cpu_s"] > 0
    assert figures["memory_mb"] > 20

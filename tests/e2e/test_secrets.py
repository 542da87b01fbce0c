"""Credentials that are used, right and wrong ones: nothing that is printed holds them."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from kafka_cluster import PASSWORD, USER, Kafka
from support import Run

TOKEN = base64.urlsafe_b64encode(b'{"alg":"none"}').decode() + ".token-secret."


@pytest.mark.parametrize("password", [PASSWORD, "wrong-secret"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_no_command_prints_a_password(
    run: Run, kafka: Kafka, pipeline: Callable[..., str], mechanism: str, password: str
) -> None:
    keys = {"mechanism": mechanism, "username": USER, "password": password}
    run_all(run, kafka, pipeline, keys, works=password == PASSWORD)


def test_no_command_prints_a_token(run: Run, kafka: Kafka, pipeline: Callable[..., str]) -> None:
    run_all(run, kafka, pipeline, {"mechanism": "OAUTHBEARER", "token": TOKEN}, works=False)


def run_all(run: Run, kafka: Kafka, pipeline: Callable[..., str], keys: dict[str, str], *, works: bool) -> None:
    """Check a pipeline, run it and list its dead letters, with all that can be logged."""
    servers = kafka.listener("SASL_PLAINTEXT").split(",")
    cluster = {"type": "kafka", "bootstrap_servers": servers, "security": {"protocol": "SASL_PLAINTEXT", **keys}}
    file = pipeline(
        sources=[{"type": "synthetic", "duration_s": 2}],
        sinks=[{**cluster, "topic": kafka.new_topic()}],
        dead_letters={**cluster, "topic": kafka.new_topic()},
        delivery={"give_up_after_s": 1},
    )
    for words, status in ((["check", file], 0), (["--debug", "run", file], 1), (["--debug", "dlq", "list", file], 1)):
        ended = run(*words)
        assert ended.status == (0 if works else status), ended.err
        assert "-secret" not in ended.out + ended.err
        assert works or words[0] == "check" or "refused" in ended.err

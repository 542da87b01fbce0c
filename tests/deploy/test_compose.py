"""The commands of the compose file, run here: a real broker from its variables, its topics, ingest and worker."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from containers import container, health_check
from kafka import KafkaAdminClient
from kafka_cluster import CLUSTER_ID, free_ports, missing_parts, serves, wait_for
from kafka_talk import send_audio, texts_in

ROOT = Path(__file__).parents[2]
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]


@dataclass
class Stack:
    """The compose file's addresses and paths, as they are on this machine."""

    home: Path
    folder: Path
    ports: dict[str, str]
    """The file's -> ours"""

    def here(self, text: object) -> str:
        """`text` of the compose file, with this machine's addresses, paths and no escapes."""
        local = str(text).replace("$$", "$").replace("kafka:19092", "127.0.0.1:19092")
        local = local.replace("/opt/kafka", str(self.home)).replace("/var/lib/kafka/data", str(self.folder / "data"))
        local = local.replace("/pipelines/", str(ROOT / "pipelines") + "/")
        local = local.replace("0.0.0.0", "127.0.0.1")
        return re.sub("|".join(self.ports), lambda found: self.ports[found[0]], local)

    def environment(self, service: str) -> dict[str, str]:
        return {key: self.here(value) for key, value in SERVICES[service]["environment"].items()}

    @property
    def broker(self) -> str:
        return f"127.0.0.1:{self.ports['9092']}"

    @property
    def clean(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LOG_DIR": str(self.folder / "logs")}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A broker with what the compose file says of it, as the image's entry point makes properties of variables."""
    if missing := missing_parts():
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp("compose")
    home = Path(os.environ["KAFKA_HOME"])
    stack = Stack(home, folder, dict(zip(("19092", "9093", "9092"), map(str, free_ports(3)), strict=True)))
    variables = stack.environment("kafka")
    properties = folder / "server.properties"
    named = {key.removeprefix("KAFKA_").replace("_", ".").lower(): value for key, value in variables.items()}
    properties.write_text("".join(f"{key}={value}\n" for key, value in named.items()))
    storage = [str(home / "bin/kafka-storage.sh"), "format", "-t", CLUSTER_ID, "-c", str(properties)]
    subprocess.run(storage, env=stack.clean, check=True, capture_output=True)
    server = [str(home / "bin/kafka-server-start.sh"), str(properties)]
    heap = {"KAFKA_HEAP_OPTS": "-Xmx512m"}
    with (folder / "broker.log").open("wb") as log:
        process = subprocess.Popen(server, env={**stack.clean, **heap}, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(lambda: process.poll() is not None or serves(stack.broker), "a broker", seconds=60)
        assert process.poll() is None, (folder / "broker.log").read_text()[-3000:]
        yield stack
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def run(stack: Stack, command: list[str]) -> subprocess.CompletedProcess[str]:
    """A command of a Kafka container."""
    local = [stack.here(word) for word in command]
    return subprocess.run(local, env=stack.clean, capture_output=True, text=True, timeout=100, check=False)


def test_the_brokers_health_check_passes_while_it_runs_and_fails_where_none_is(stack: Stack) -> None:
    kind, *command = SERVICES["kafka"]["healthcheck"]["test"]
    assert kind == "CMD"
    assert run(stack, command).returncode == 0
    [nobody] = free_ports(1)
    elsewhere = Stack(stack.home, stack.folder, {**stack.ports, "19092": str(nobody)})
    assert run(elsewhere, command).returncode != 0


@pytest.fixture(scope="module")
def topics(stack: Stack) -> None:
    made = run(stack, SERVICES["topics"]["command"])
    assert made.returncode == 0, made.stdout + made.stderr


@pytest.mark.slow
def test_the_topics_are_made(stack: Stack, topics: None) -> None:
    admin = KafkaAdminClient(bootstrap_servers=[stack.broker])
    try:
        found = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}
    finally:
        admin.close()
    assert {"audio": 8, "windows": 8, "events": 8, "audio.dead": 1}.items() <= found.items()


@pytest.mark.slow
def test_our_containers_turn_audio_into_events_and_pass_the_images_health_check(stack: Stack, topics: None) -> None:
    ours = [name for name, service in SERVICES.items() if "build" in service]
    ports = free_ports(len(ours))
    send_audio([stack.broker], "audio", seconds=7)
    with ExitStack() as running:
        for name, port in zip(ours, ports, strict=True):
            arguments = [stack.here(word) for word in SERVICES[name]["command"]]
            running.enter_context(container(arguments, stack.environment(name), port, stack.folder))
        wait_for(lambda: len(texts_in([stack.broker], "events")) >= 6, "six events", seconds=60)
        assert all(health_check(port) for port in ports)
    starts = [event["data"]["offset_s"] for event in texts_in([stack.broker], "events")]
    assert sorted(set(starts)) == [0, 1, 2, 3, 4, 5]

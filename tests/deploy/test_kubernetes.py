"""The worker's command of the Deployment, run here; what the files say of each other agrees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from containers import container
from kafka_cluster import Kafka, free_ports, wait_for
from kafka_talk import send_audio, texts_in

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/kubernetes"


def read(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text())


POD = read("worker.yaml")["spec"]["template"]["spec"]
[WORKER] = POD["containers"]
PIPELINE = read("pipeline.yaml")
[TRIGGER] = read("scaledobject.yaml")["spec"]["triggers"]


@pytest.mark.slow
def test_the_worker_answers_its_probes_and_turns_audio_into_events(kafka: Kafka, tmp_path: Path) -> None:
    audio, events, dead = (kafka.new_topic() for _ in range(3))
    text = (FOLDER / "pipeline.yaml").read_text()
    places = {"kafka.kafka:9092": kafka.bootstrap, "audio.dead": dead, "events": events, "listeners": f"g-{audio}"}
    for there, here in places.items():
        text = text.replace(there, here)
    (tmp_path / "pipeline.yaml").write_text(text.replace("topics: [audio]", f"topics: [{audio}]"))
    [port] = free_ports(1)
    [mount] = [mount["mountPath"] for mount in WORKER["volumeMounts"] if mount["name"] == "pipeline"]
    arguments = [word.replace(mount, str(tmp_path)) for word in WORKER["args"]]
    send_audio(kafka.servers, audio, 5, **kafka.client_options)
    with container(arguments, {}, port, tmp_path):
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            url = f"http://127.0.0.1:{port}{WORKER[probe]['httpGet']['path']}"
            wait_for(lambda url=url: _status(url) == 200, f"an answer from {url}")
        wait_for(lambda: len(texts_in(kafka.servers, events, **kafka.client_options)) == 4, "four events")


def test_the_scaler_counts_the_lag_of_the_workers_group_on_its_topic() -> None:
    [source] = PIPELINE["sources"]
    counted = TRIGGER["metadata"]
    assert [counted["topic"]] == source["topics"]
    assert counted["consumerGroup"] == source["group_id"]
    assert [counted["bootstrapServers"]] == source["bootstrap_servers"]
    assert read("scaledobject.yaml")["spec"]["scaleTargetRef"]["name"] == read("worker.yaml")["metadata"]["name"]


def test_the_pipeline_is_the_one_that_we_ship_with_other_brokers() -> None:
    shipped = yaml.safe_load((ROOT / f"pipelines/{PIPELINE['name']}.yaml").read_text())
    own = {"name", "server", "logging"}
    for mine, theirs in ((PIPELINE, shipped), (shipped, PIPELINE)):
        for key in mine.keys() - own:
            assert _without_place(mine[key]) == _without_place(theirs[key])


def test_a_worker_has_time_to_drain_before_it_is_killed() -> None:
    assert POD["terminationGracePeriodSeconds"] > PIPELINE.get("shutdown", {}).get("drain_s", 30)


def test_the_port_of_the_probes_is_the_one_that_the_policy_lets_prometheus_reach() -> None:
    [port] = WORKER["ports"]
    [rule] = read("networkpolicy.yaml")["spec"]["ingress"]
    assert [allowed["port"] for allowed in rule["ports"]] == [port["containerPort"]]
    assert PIPELINE["server"]["host"] == "0.0.0.0"


def _without_place(part: object) -> object:
    """`part` without what differs from place to place."""
    if isinstance(part, dict):
        return {
            key: _without_place(value)
            for key, value in part.items()
            if key not in {"bootstrap_servers", "create_topic"}
        }
    return [_without_place(each) for each in part] if isinstance(part, list) else part


def _status(url: str) -> int:
    try:
        return httpx2.get(url).status_code
    except httpx2.ConnectError:
        return 0

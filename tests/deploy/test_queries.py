"""Dashboard and alerts ask for what the code exports, with the labels that it has."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import yaml
from support import COMMAND, environment

from pengi_stream.clock import Deadline
from pengi_stream.metrics import LEDGERS, Metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
METRIC = re.compile(r"\b(?:pengi_stream|process)_\w+")
MATCHER = re.compile(r'(\w+)="([^"]*)"')
GROUPING = re.compile(r"\b(?:by|on) \(([\w, ]+)\)")
OF_PROMETHEUS = {"job", "instance", "role", "le"}
ONLY_WITH_KAFKA = ("lag_seconds", "lag_records", "commit_seconds", "produce_seconds", "end_to_end_seconds")


def dashboard() -> dict[str, str]:
    """Queries of all panels, by panel and number."""
    panels = json.loads((DEPLOY / "grafana/dashboards/pengi_stream.json").read_text())["panels"]
    return {
        f"{panel['title']} {target['refId']}": target["expr"] for panel in panels for target in panel.get("targets", ())
    }


def alerts() -> dict[str, str]:
    groups = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


QUERIES = {**dashboard(), **alerts()}


def exported() -> dict[str, set[str]]:
    """Every series that a pipeline can export, with the labels that it has."""
    series: dict[str, set[str]] = {}
    metrics = Metrics()
    metrics.events.labels("0-jsonl", "durable")
    metrics.lag_s.labels("audio/0")
    metrics.lag_records.labels("audio/0")
    metrics.queues.watch("requests", [])
    for family in metrics.registry.collect():
        for sample in family.samples:
            series.setdefault(sample.name, set()).update(sample.labels)
    return series


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_each_query_names_metrics_and_labels_that_exist(query: str) -> None:
    series = exported()
    names = METRIC.findall(query)
    assert names or query.startswith(("up", "sum(up"))
    assert set(names) <= series.keys()
    labels = {label for label, _ in MATCHER.findall(query)}
    labels |= {label for group in GROUPING.findall(query) for label in re.split(r",\s*", group)}
    assert labels <= OF_PROMETHEUS.union(*(series[name] for name in names))
    fates = {value for label, value in MATCHER.findall(query) if label == "fate"}
    assert fates <= {fate for ledger in LEDGERS for fate in LEDGERS[ledger] if f"_{ledger}_" in query}
    assert {value for label, value in MATCHER.findall(query) if label == "outcome"} <= {"durable", "dropped"}


def test_each_metric_of_ours_is_on_the_dashboard() -> None:
    shown = {name for query in dashboard().values() for name in METRIC.findall(query)}
    suffix = re.compile(r"_(total|bucket|sum|count|created)$")
    ours = {suffix.sub("", name) for name in exported() if name.startswith("pengi_stream_")}
    assert ours == {suffix.sub("", name) for name in shown if name.startswith("pengi_stream_")}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """A Prometheus with the configuration of `deploy`, that scrapes a pipeline each half second."""
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed")
    folder = tmp_path_factory.mktemp("prometheus")
    served, own = _free_port(), _free_port()
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(_pipeline(served)))
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
    config["rule_files"] = [str(DEPLOY / "prometheus/alerts.yml")]
    [job] = config["scrape_configs"]
    assert job.pop("dns_sd_configs")
    job["static_configs"] = [{"targets": [f"127.0.0.1:{served}"]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    commands = [
        [*COMMAND, "run", "pipeline.yaml"],
        ["prometheus", "--config.file=prometheus.yml", f"--web.listen-address=127.0.0.1:{own}"],
    ]
    with (folder / "log").open("wb") as log:
        processes = [subprocess.Popen(each, cwd=folder, env=environment(), stderr=log) for each in commands]
        try:
            with httpx2.Client(base_url=f"http://127.0.0.1:{own}") as client:
                _await_rates(client, folder / "log")
                yield client
        finally:
            for process in processes:
                process.kill()
                process.wait()


def test_prometheus_answers_each_query_from_a_running_pipeline(prometheus: httpx2.Client) -> None:
    for name, query in dashboard().items():
        found = _ask(prometheus, query)
        if not any(part in query for part in ONLY_WITH_KAFKA):
            assert found, f"{name}: nothing for {query}"
    assert _value(_ask(prometheus, dashboard()["Processes A"])) == 1


def test_no_alert_fires_for_a_healthy_pipeline(prometheus: httpx2.Client) -> None:
    assert len(prometheus.get("/api/v1/rules").json()["data"]["groups"][0]["rules"]) == len(alerts())
    firing = prometheus.get("/api/v1/alerts").json()["data"]["alerts"]
    assert firing == []


def _pipeline(port: int) -> dict[str, object]:
    return {
        "model": {"type": "fake", "window_s": 0.5},
        "sources": [{"type": "synthetic", "realtime": True}],
        "sinks": [{"type": "jsonl", "path": "events.jsonl"}],
        "server": {"port": port},
    }


def _await_rates(client: httpx2.Client, log: Path) -> None:
    """Until two scrapes have been taken since there were events."""
    deadline = Deadline(60)
    wanted = dashboard()["Events A"]
    while True:
        try:
            is_up = client.get("/-/ready").status_code == 200
            if is_up and (found := _ask(client, wanted)) and _value(found) > 0:
                return
        except httpx2.ConnectError:
            pass  # it does not listen yet
        assert not deadline.expired, log.read_text()


def _ask(client: httpx2.Client, query: str) -> list[dict[str, list[str]]]:
    expression = query.replace("$__rate_interval", "10s")
    answer = client.get("/api/v1/query", params={"query": expression}).json()
    assert answer["status"] == "success", answer
    found: list[dict[str, list[str]]] = answer["data"]["result"]
    return found


def _value(found: list[dict[str, list[str]]]) -> float:
    return float(found[0]["value"][1])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])

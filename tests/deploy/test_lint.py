"""What no container engine is needed for: the files say what their readers understand."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
KEDA = ROOT / "tests/data/keda_scaledobject.schema.json"


def lint(*command: str, cwd: Path = ROOT) -> str:
    """What a linter says; skips where it is not installed, fails where it finds something."""
    program = shutil.which(command[0], path=sysconfig.get_path("scripts")) or shutil.which(command[0])
    if program is None:
        pytest.skip(f"{command[0]} is not installed")
    ended = subprocess.run([program, *command[1:]], cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_dockerfile_has_no_faults() -> None:
    lint("hadolint", "deploy/Dockerfile")


def test_the_compose_file_follows_the_specification() -> None:
    lint("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "deploy/compose.yaml")


def test_the_scaled_object_follows_kedas_definition() -> None:
    lint("check-jsonschema", "--schemafile", str(KEDA), "deploy/kubernetes/scaledobject.yaml")


@pytest.mark.parametrize("name", ["namespace.yaml", "worker.yaml", "networkpolicy.yaml"])
def test_kubernetes_understands_each_object(name: str) -> None:
    lint(sys.executable, "-m", "kubernetes_validate", "--strict", str(KUBERNETES / name))


def test_kustomize_joins_the_objects_and_gives_the_worker_its_pipeline(tmp_path: Path) -> None:
    rendered = lint("kubectl", "kustomize", "deploy/kubernetes")
    objects = {document["kind"]: document for document in yaml.safe_load_all(rendered)}
    volumes = objects["Deployment"]["spec"]["template"]["spec"]["volumes"]
    [mounted] = [volume["configMap"]["name"] for volume in volumes if "configMap" in volume]
    assert mounted == objects["ConfigMap"]["metadata"]["name"]
    assert {document["metadata"].get("namespace", "pengi-stream") for document in objects.values()} == {"pengi-stream"}
    known = [document for kind, document in objects.items() if kind != "ScaledObject"]
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(known))
    lint(sys.executable, "-m", "kubernetes_validate", "--strict", str(tmp_path / "all.yaml"))


def test_prometheus_understands_its_configuration_and_its_rules() -> None:
    said = lint("promtool", "check", "config", "deploy/prometheus/prometheus.yml")
    assert "1 rule files found" in said


def test_each_alert_fires_when_it_should_and_only_then() -> None:
    lint("promtool", "test", "rules", "alerts_test.yml", cwd=Path(__file__).parent)
    tested = {group["alertname"] for group in _rule_tests()}
    assert tested
    assert tested == {rule["alert"] for rule in _alerts()}


def test_each_image_that_is_not_built_here_has_a_version() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"].values()
    images = [service["image"] for service in services if "build" not in service]
    assert images
    assert all(re.fullmatch(r".+:v?\d+\.\d+\.\d+", image) for image in images)


def test_each_panel_of_the_dashboard_has_its_own_place() -> None:
    panels = json.loads((DEPLOY / "grafana/dashboards/pengi_stream.json").read_text())["panels"]
    assert panels
    cells: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in panels):
        mine = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & mine
        assert max(x for x, _ in mine) < 24  # a dashboard is 24 columns wide
        cells |= mine


def _rule_tests() -> list[dict[str, str]]:
    tests = yaml.safe_load((Path(__file__).parent / "alerts_test.yml").read_text())["tests"]
    return [case for test in tests for case in test["alert_rule_test"] if case.get("exp_alerts")]


def _alerts() -> list[dict[str, str]]:
    groups = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]

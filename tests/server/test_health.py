"""What the probes answer."""

from __future__ import annotations

import pytest

from pengi_stream.server.health import liveness, readiness
from pengi_stream.status import Health, StageState, State, Status

RUNNING = Status("running")


def health(
    *,
    stages: dict[str, StageState] | None = None,
    sources: dict[str, Status] | None = None,
    sinks: dict[str, Status] | None = None,
) -> Health:
    return Health(stages or {"model": "running"}, sources or {"yard": RUNNING}, sinks or {"jsonl": RUNNING})


def test_a_pipeline_whose_model_is_being_loaded_is_alive_and_not_ready() -> None:
    assert liveness(None).status == 200
    answer = readiness(None)
    assert answer.status == 503
    assert "warmed up" in str(answer.body["waits_for"])


def test_a_running_pipeline_is_alive_and_ready() -> None:
    assert liveness(health()).status == 200
    answer = readiness(health())
    assert answer.status == 200
    assert answer.body["waits_for"] == []
    assert answer.body["sources"] == {"yard": {"state": "running", "waits_for": ""}}


def test_a_dead_stage_is_named() -> None:
    dead = health(stages={"model": "failed", "sink-jsonl": "running", "source-yard": "done"})
    answer = liveness(dead)
    assert (answer.status, answer.body["dead"]) == (503, ["model"])
    assert readiness(dead).status == 503


def test_a_stage_that_has_done_its_work_is_no_dead_stage() -> None:
    assert liveness(health(stages={"source-yard": "done", "model": "running"})).status == 200


@pytest.mark.parametrize("state", ["inactive", "starting", "stalled"])
def test_a_source_that_gives_nothing_says_what_it_waits_for(state: State) -> None:
    answer = readiness(health(sources={"yard": RUNNING, "door": Status(state, "broker kafka:9092: refused")}))
    assert (answer.status, answer.body["waits_for"]) == (503, ["door: broker kafka:9092: refused"])


def test_a_source_that_does_not_say_why_is_named_with_its_state() -> None:
    assert readiness(health(sources={"yard": Status("starting")})).body["waits_for"] == ["yard: starting"]


def test_a_refusing_sink_makes_a_pipeline_unready() -> None:
    answer = readiness(health(sinks={"kafka": Status("stalled", "topic events does not exist")}))
    assert (answer.status, answer.body["waits_for"]) == (503, ["kafka: topic events does not exist"])


def test_a_source_that_has_ended_beside_one_that_runs_changes_nothing() -> None:
    assert readiness(health(sources={"yard": Status("stopped"), "door": RUNNING})).status == 200


def test_a_pipeline_that_drains_is_alive_and_not_ready() -> None:
    draining = health(sources={"yard": Status("stopped")})
    assert liveness(draining).status == 200
    assert readiness(draining).status == 503

"""What `/livez` and `/readyz` answer. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pengi_stream.status import Health, State, Status

NOT_BUILT = "the model: it is being loaded and warmed up"
DRAINING = "nothing: all sources have ended, and what they gave is on its way to the sinks"
WAITING: tuple[State, ...] = ("inactive", "starting", "stalled")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status and what becomes the JSON body."""

    status: int
    body: Mapping[str, object]


def liveness(health: Health | None) -> Answer:
    """200 while no stage has failed; 503 with the names of those that have. None: the pipeline is being built."""
    stages = dict(health.stages) if health else {}
    dead = [name for name, state in stages.items() if state == "failed"]
    return Answer(503 if dead else 200, {"alive": not dead, "dead": dead, "stages": stages})


def readiness(health: Health | None) -> Answer:
    """200 while every source runs or has ended, not all have ended, and every required sink takes events.

    Else 503, and `waits_for` has a line for each reason. None: the pipeline is being built.
    """
    waits_for = list(_reasons(health))
    body = {
        "ready": not waits_for,
        "waits_for": waits_for,
        "sources": _described(health.sources if health else {}),
        "sinks": _described(health.sinks if health else {}),
    }
    return Answer(503 if waits_for else 200, body)


def _reasons(health: Health | None) -> Iterator[str]:
    if health is None:
        yield NOT_BUILT
        return
    yield from (f"{name}: failed" for name, state in health.stages.items() if state == "failed")
    for name, status in (*health.sources.items(), *health.sinks.items()):
        if status.state in WAITING:
            yield f"{name}: {status.waits_for or status.state}"
    if all(status.state == "stopped" for status in health.sources.values()):
        yield DRAINING


def _described(parts: Mapping[str, Status]) -> dict[str, dict[str, str]]:
    return {name: {"state": part.state, "waits_for": part.waits_for} for name, part in parts.items()}

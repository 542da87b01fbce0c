"""How a pipeline is, from its parts."""

from __future__ import annotations

from collections.abc import Sequence

from pengi_stream.protocols import Watched
from pengi_stream.runtime.outlets import Outlet
from pengi_stream.runtime.stage import Stage
from pengi_stream.status import Health, StageState, State, Status

OF_STAGE: dict[StageState, State] = {
    "waiting": "inactive",
    "running": "running",
    "done": "stopped",
    "failed": "stopped",
}


def health(stages: Sequence[Stage], sources: Sequence[object], outlets: Sequence[Outlet]) -> Health:
    """The stage `source-0` reads the first of `sources`, and so on; a source that has a status tells its own."""
    states = {stage.name: stage.state for stage in stages}
    return Health(
        stages=states,
        sources={f"source-{i}": _source(source, states[f"source-{i}"]) for i, source in enumerate(sources)},
        sinks={outlet.name: outlet.status() for outlet in outlets if outlet.required},
    )


def _source(source: object, stage: StageState) -> Status:
    if stage == "running" and isinstance(source, Watched):
        return source.status()
    return Status(OF_STAGE[stage])

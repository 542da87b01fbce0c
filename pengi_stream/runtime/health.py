"""How a pipeline is, from its parts."""

from __future__ import annotations

from collections.abc import Sequence

from pengi_stream.runtime.dead_letters import DeadLetters
from pengi_stream.runtime.sink_writers import SinkWriter
from pengi_stream.runtime.stage import Stage
from pengi_stream.runtime.supervisor import Supervisor
from pengi_stream.status import Health, Status


def health(
    stages: Sequence[Stage],
    supervisors: Sequence[Supervisor],
    writers: Sequence[SinkWriter],
    dead_letters: DeadLetters,
) -> Health:
    """A source's stage has its name."""
    states = {stage.name: stage.state for stage in stages}
    sinks = {writer.name: writer.status() for writer in writers if writer.required}
    if dead_letters.waits_for:
        sinks["dead_letters"] = Status("stalled", dead_letters.waits_for)
    return Health(
        stages=states,
        sources={each.name: each.status(states[f"source-{each.name}"]) for each in supervisors},
        sinks=sinks,
    )

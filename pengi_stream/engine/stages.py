"""What stands between the model and the sinks: pure stages that remember something of each stream.

Their states are part of every commit: whoever reads on, after a kill or a rebalance, goes on with them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from pengi_stream.engine.done import Key, stream_key
from pengi_stream.events import Event
from pengi_stream.outcomes import OrderedItem, Outcome
from pengi_stream.types import Plain, Resumed, Revoked, StreamEnd


@dataclass(frozen=True, slots=True)
class Step:
    """What a stage makes of an item."""

    state: Plain
    """Behind the item; None: nothing is remembered"""
    events: tuple[Event, ...] = ()


class PureStage(ABC):
    """Takes what became of a stream's windows, in order, and gives events. No thread, no clock, no I/O."""

    key: str
    """Names its state, the same after a restart; another rule, another key"""

    @abstractmethod
    def take(self, item: Outcome, state: Plain, now_ns: int) -> Step:
        """`state` is what it gave behind the item before; None at the stream's beginning. `now_ns` (UTC) may stand in
        events, and decides nothing."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What all stages make of an item."""

    events: tuple[Event, ...] = ()
    states: tuple[tuple[str, Plain], ...] = ()
    """Those that changed"""


class Stages:
    """All stages of a pipeline, and what they remember of its streams. One thread."""

    def __init__(self, stages: Sequence[PureStage]) -> None:
        self._stages = stages
        self._states: dict[Key, dict[str, Plain]] = {}

    def take(self, item: OrderedItem, now_ns: int) -> Taken:
        """In the order of each stream. One that ends is forgotten; one that is handed over goes with its states."""
        key = stream_key(item)
        if isinstance(item, Resumed):
            self._states[key] = dict(item.state.behind)
            return Taken()
        if isinstance(item, Revoked):
            self._states.pop(key, None)
            return Taken()
        known = self._states.setdefault(key, {})
        remembered = [name for name, state in known.items() if state is not None]
        events: list[Event] = []
        changed: list[tuple[str, Plain]] = []
        for stage in self._stages:
            before = known.get(stage.key)
            step = stage.take(item, before, now_ns)
            events += step.events
            if step.state != before:
                changed.append((stage.key, step.state))
                known[stage.key] = step.state
        if isinstance(item, StreamEnd):
            changed = [(name, None) for name in remembered]
            del self._states[key]
        return Taken(tuple(events), tuple(changed))

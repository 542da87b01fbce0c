"""How a running pipeline is: what its parts tell, and what `/livez` and `/readyz` tell of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

State = Literal["inactive", "starting", "running", "stalled", "stopped"]
"""inactive: not started; stalled: running, but nothing comes of it; stopped: it has ended"""
StageState = Literal["waiting", "running", "done", "failed"]
"""Of a thread; failed: it ended with an error"""


@dataclass(frozen=True, slots=True)
class Status:
    """How a source or a sink is."""

    state: State
    waits_for: str = ""
    """One line where it is not running: `broker 127.0.0.1:9092: connection refused`; no secrets"""


@dataclass(frozen=True, slots=True)
class Health:
    """A pipeline at one moment."""

    stages: Mapping[str, StageState]
    sources: Mapping[str, Status]
    sinks: Mapping[str, Status]
    """The required ones: what the others cannot write holds nothing up"""

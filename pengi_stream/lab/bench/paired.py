"""Trials that take turns, so that drifts of the machine hit all of them alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Generic, TypeVar

import numpy as np

Run = TypeVar("Run")

WARM_UP = 0  # number of the repeat that is not counted


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure of each repeat."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """`values`, one at least."""
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of many times, in seconds."""

    p50_s: float
    p95_s: float
    p99_s: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Percentiles:
        """`seconds`, one at least."""
        return cls(*(float(np.percentile(seconds, share)) for share in (50, 95, 99)))


@dataclass(frozen=True, slots=True)
class Trial(Generic[Run]):
    """What is done once in each repeat, and what it gave."""

    call: Callable[[int], Run]
    """Takes the number of the repeat"""
    runs: list[Run] = field(default_factory=list, init=False)
    """In the order of the repeats"""

    def spread(self, figure: Callable[[Run], float]) -> Spread:
        """`figure` of each run."""
        return Spread.of([figure(run) for run in self.runs])

    def ratio(self, to: Trial[Run], figure: Callable[[Run], float]) -> Spread:
        """`figure` of each run, divided by that of the other trial in the same repeat."""
        return Spread.of([figure(run) / figure(other) for run, other in zip(self.runs, to.runs, strict=True)])


def take_turns(
    trials: Sequence[Trial[Any]], repeats: int, *, warm_up: bool = True, told: Callable[[int], None] = lambda _: None
) -> None:
    """Call all of `trials` once to warm up, then all in each repeat, forth and back by turns. Blocks.

    `told` hears the number of each repeat that is done."""
    for trial in trials if warm_up else ():
        trial.call(WARM_UP)
    order = list(trials)
    for repeat in range(1, repeats + 1):
        for trial in order:
            trial.runs.append(trial.call(repeat))
        order.reverse()
        told(repeat)

"""Where the time of a model goes. The model's code needs no timers: it is asked for less, and what is saved is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pengi_stream.clock import SystemClock
from pengi_stream.lab.bench.models.arithmetic import STAGES
from pengi_stream.lab.bench.models.model import PROMPTS, Plan
from pengi_stream.lab.bench.models.subject import ObservedPengi
from pengi_stream.lab.bench.paired import Spread, Trial
from pengi_stream.lab.bench.sound import fresh_windows
from pengi_stream.options import DecodingOptions, Prompt
from pengi_stream.types import Batch, Request, Window

SEED = 1_000
"""Tells its windows from those of the cases"""
Seconds = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class StageFigures:
    """One stage, of a window in the largest batch."""

    stage: str
    seconds: Spread
    share: Spread
    """Of the whole"""
    gflop: float | None
    limit_share: Spread | None
    """GFLOP/s, divided by those of a large matrix product in the same repeat"""


def stage_trial(model: ObservedPengi, plan: Plan) -> Trial[Seconds]:
    """Seconds that a window takes in each stage.

    A new window with one token takes encoder, mapper and reading; the same again takes reading alone, since windows are
    encoded once; and with all tokens reading and decoding. A hook times the mapper.
    """
    return Trial(lambda repeat: _run(model, plan, (repeat, SEED)))


def _run(model: ObservedPengi, plan: Plan, seed: Sequence[int]) -> Seconds:
    windows = fresh_windows(model, plan.sound, plan.largest.batch, seed)
    one = replace(plan.options, max_new_tokens=1)
    with model.mapper_times() as mapper_s:
        first_s = _time(model, windows, one)
    again_s = _time(model, windows, one)
    whole_s = _time(model, windows, plan.options)
    mapping_s = sum(mapper_s)
    seconds = (first_s - again_s - mapping_s, mapping_s, again_s, whole_s - again_s)
    return dict(zip(STAGES, (max(0.0, each) / len(windows) for each in seconds), strict=True))


def _time(model: ObservedPengi, windows: Sequence[Window], options: DecodingOptions) -> float:
    batch = Batch(tuple(Request(window, Prompt("stage", PROMPTS[0], options)) for window in windows))
    clock = SystemClock()
    began_s = clock.monotonic_s()
    model.generate(batch)
    return clock.monotonic_s() - began_s


def stage_figures(trial: Trial[Seconds], gflop: Mapping[str, float], limit: Trial[float]) -> list[StageFigures]:
    """`gflop` of a window by stage, perhaps empty."""
    return [
        StageFigures(
            stage,
            trial.spread(lambda run, stage=stage: run[stage]),  # type: ignore[misc]
            trial.spread(lambda run, stage=stage: run[stage] / sum(run.values())),  # type: ignore[misc]
            gflop.get(stage),
            _limit_share(trial, stage, gflop[stage], limit) if gflop else None,
        )
        for stage in STAGES
    ]


def _limit_share(trial: Trial[Seconds], stage: str, gflop: float, limit: Trial[float]) -> Spread | None:
    runs = zip(trial.runs, limit.runs, strict=True)
    shares = [gflop / run[stage] / most for run, most in runs if run[stage] > 0]
    return Spread.of(shares) if shares else None

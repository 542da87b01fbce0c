"""`pengi-stream bench model`: models, the machine and the published code, by turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

import torch

from pengi_stream.lab.bench.machine import Machine, matrix_gflops, peak_memory_mb, this_machine
from pengi_stream.lab.bench.models.agreement import Agreement, agreement
from pengi_stream.lab.bench.models.model import (
    PROMPTS,
    Case,
    CaseFigures,
    Plan,
    Run,
    case_figures,
    case_trials,
    gflop_by_stage,
    ratios,
)
from pengi_stream.lab.bench.models.stages import Seconds, StageFigures, stage_figures, stage_trial
from pengi_stream.lab.bench.models.subject import ObservedPengi, Subject
from pengi_stream.lab.bench.paired import Percentiles, Spread, Trial, take_turns
from pengi_stream.lab.bench.sound import fresh_windows
from pengi_stream.options import Prompt
from pengi_stream.types import Batch, Request

Published = Callable[[Sequence[Request]], Run]
PUBLISHED_SEED = 2_000
"""Tells its windows from those of the cases"""


@dataclass(frozen=True, slots=True)
class SubjectFigures:
    """One model."""

    dtype: str
    identity: str
    matrix_gflops: Spread
    cases: tuple[CaseFigures, ...]
    costs: dict[str, Spread]
    """Of a window, in multiples of one prompt in batches of the same size"""
    stages: tuple[StageFigures, ...]
    agreement: Agreement | None
    """With the first model, whose dtype is another"""
    against_published: dict[str, Spread]
    """Windows a second, in multiples of the published code's"""


@dataclass(frozen=True, slots=True)
class PublishedFigures:
    """The published code, a window at a time."""

    windows_a_second: Spread
    latency: Percentiles
    same_texts: float
    """Share of its texts that are those of the first model"""


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """All that was measured by turns."""

    machine: Machine
    peak_memory_mb: float
    """Of this process, all models together; on a GPU, of its memory"""
    models: tuple[SubjectFigures, ...]
    published: PublishedFigures | None


@dataclass(frozen=True, slots=True)
class _Measured:
    subject: Subject
    limit: Trial[float]
    cases: dict[Case, Trial[Run]]
    stages: Trial[Seconds] | None

    def trials(self) -> list[Trial[Any]]:
        return [self.limit, *self.cases.values(), *([self.stages] if self.stages else [])]


def compare(
    subjects: Sequence[Subject],
    plan: Plan,
    published: Published | None = None,
    told: Callable[[int], None] = lambda _: None,
) -> ModelFigures:
    """Measure `subjects` by turns; `published` asks the published code, `told` hears the number of each repeat that is
    done. Blocks for long. Raises PengiStreamError."""
    measured = [_measured(subject, plan) for subject in subjects]
    first = subjects[0]
    theirs = _against_them(first, plan, published) if published else None
    trials = [trial for each in measured for trial in each.trials()]
    take_turns([*trials, *([theirs] if theirs else [])], plan.repeats, told=told)
    return ModelFigures(
        this_machine(),
        _peak_memory_mb(subjects),
        tuple(_figures(each, measured[0], plan, theirs) for each in measured),
        _published_figures(theirs) if theirs else None,
    )


def _measured(subject: Subject, plan: Plan) -> _Measured:
    cases, model = case_trials(subject, plan), subject.model
    if not isinstance(model, ObservedPengi):
        return _Measured(subject, Trial(lambda _: matrix_gflops(torch.float32)), cases, None)
    dtype, device = getattr(torch, subject.name), model.device
    return _Measured(subject, Trial(lambda _: matrix_gflops(dtype, device)), cases, stage_trial(model, plan))


def _against_them(subject: Subject, plan: Plan, published: Published) -> Trial[tuple[Run, Run]]:
    return Trial(lambda repeat: _both(subject, plan, published, repeat))


def _both(subject: Subject, plan: Plan, published: Published, repeat: int) -> tuple[Run, Run]:
    """The published code's answer about a window, and ours about the same."""
    windows = fresh_windows(subject.model, plan.sound, 1, (repeat, PUBLISHED_SEED))
    request = Request(windows[0], Prompt(PROMPTS[0], PROMPTS[0], plan.options))
    theirs = published([request])
    return theirs, Run(1, (0.0,), tuple(subject.model.generate(Batch((request,)))))


def _figures(
    measured: _Measured, first: _Measured, plan: Plan, theirs: Trial[tuple[Run, Run]] | None
) -> SubjectFigures:
    subject, cases = measured.subject, measured.cases
    found = [case_figures(subject, plan, case, trial, measured.limit) for case, trial in cases.items()]
    largest = cases[plan.largest].runs
    tokens = mean(run.tokens / len(run.answers) for run in largest)
    gflop = gflop_by_stage(subject, plan.largest, plan.options, tokens)
    return SubjectFigures(
        subject.name,
        subject.model.identity,
        measured.limit.spread(float),
        tuple(found),
        ratios(plan, cases),
        tuple(stage_figures(measured.stages, gflop, measured.limit)) if measured.stages else (),
        _agreement(measured, first, plan),
        _against(cases, theirs) if theirs else {},
    )


def _agreement(measured: _Measured, first: _Measured, plan: Plan) -> Agreement | None:
    reference, model = first.subject.model, measured.subject.model
    if measured is first or not (isinstance(reference, ObservedPengi) and isinstance(model, ObservedPengi)):
        return None
    return agreement(reference, model, first.cases[plan.largest].runs, measured.cases[plan.largest].runs)


def _against(cases: Mapping[Case, Trial[Run]], theirs: Trial[tuple[Run, Run]]) -> dict[str, Spread]:
    """Of the cases that ask what the published code was asked."""
    return {
        case.name: Spread.of(
            [its.window_s / run.window_s for run, (its, _) in zip(trial.runs, theirs.runs, strict=True)]
        )
        for case, trial in cases.items()
        if case == Case(case.batch)
    }


def _published_figures(theirs: Trial[tuple[Run, Run]]) -> PublishedFigures:
    return PublishedFigures(
        theirs.spread(lambda both: 1 / both[0].window_s),
        Percentiles.of([both[0].window_s for both in theirs.runs]),
        mean(published.answers[0].text == own.answers[0].text for published, own in theirs.runs),
    )


def _peak_memory_mb(subjects: Sequence[Subject]) -> float:
    on_gpu = any(isinstance(each.model, ObservedPengi) and each.model.device.type == "cuda" for each in subjects)
    return torch.cuda.max_memory_allocated() / 1e6 if on_gpu else peak_memory_mb()

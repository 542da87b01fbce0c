"""How fast a model answers: by batch size, by prompts, by labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from pengi_stream.clock import SystemClock
from pengi_stream.lab.bench.models.subject import Subject
from pengi_stream.lab.bench.paired import Percentiles, Spread, Trial
from pengi_stream.lab.bench.sound import Sound, fresh_windows
from pengi_stream.options import DecodingOptions, Prompt
from pengi_stream.types import Batch, Generation, Request

PROMPTS = ("generate audio caption", "generate metadata", "this is a sound of", "this acoustic scene is")
ESC_50 = (
    "dog, rooster, pig, cow, frog, cat, hen, insects, sheep, crow, rain, sea waves, crackling fire, crickets, "
    "chirping birds, water drops, wind, pouring water, toilet flush, thunderstorm, crying baby, sneezing, clapping, "
    "breathing, coughing, footsteps, laughing, brushing teeth, snoring, drinking, door knock, mouse click, "
    "keyboard typing, door creaks, can opening, washing machine, vacuum cleaner, clock alarm, clock tick, "
    "glass breaking, helicopter, chainsaw, siren, car horn, engine, train, church bells, airplane, fireworks, hand saw"
)
LABELS = tuple(ESC_50.split(", "))
MOST_PROMPTS, MOST_LABELS = len(PROMPTS), len(LABELS)


@dataclass(frozen=True, slots=True)
class Case:
    """What a model is asked."""

    batch: int
    """Requests"""
    prompts: int = 1
    """Of each window"""
    labels: int = 0
    """To rank; 0: a text is written"""

    @property
    def name(self) -> str:
        asked = f"{self.labels} labels" if self.labels else f"{self.prompts} prompt{'s' * (self.prompts > 1)}"
        return f"batch {self.batch}, {asked}"

    def questions(self, options: DecodingOptions) -> list[Prompt]:
        """One for each prompt."""
        return [Prompt(text, text, options, LABELS[: self.labels]) for text in PROMPTS[: self.prompts]]


@dataclass(frozen=True, slots=True)
class Run:
    """So many windows, answered in one or more batches."""

    windows: int
    batch_s: tuple[float, ...]
    """Seconds of each batch"""
    answers: tuple[Generation, ...]

    @property
    def window_s(self) -> float:
        """Seconds that a window takes."""
        return sum(self.batch_s) / self.windows

    @property
    def tokens(self) -> int:
        """Of the texts; those of beams that lost are not counted"""
        return sum(answer.tokens for answer in self.answers)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured of each model."""

    sound: Sound
    options: DecodingOptions
    batches: tuple[int, ...] = (1, 4, 16)
    prompts: int = 4
    labels: int = 50
    repeats: int = 5

    @property
    def largest(self) -> Case:
        """What all else is compared with."""
        return Case(max(self.batches))

    def cases(self) -> list[Case]:
        """Each once."""
        size = self.largest.batch
        cases = [Case(batch) for batch in self.batches]
        cases += [Case(size, prompts=self.prompts)] if self.prompts > 1 else []
        return cases + ([Case(size, labels=self.labels)] if self.labels else [])


@dataclass(frozen=True, slots=True)
class CaseFigures:
    """One case, repeated."""

    case: Case
    windows_a_second: Spread
    tokens_a_second: Spread
    real_time_factor: Spread
    """Seconds of sound that are answered in a second, of windows that do not overlap"""
    latency: Percentiles
    """Of a whole batch"""
    gflop_a_window: float | None
    """That the answers need; None where it is not counted"""
    limit_share: Spread | None
    """GFLOP/s, divided by those of a large matrix product in the same repeat"""


def case_trials(subject: Subject, plan: Plan) -> dict[Case, Trial[Run]]:
    """Each hears as many windows as the largest batch has requests, and none hears again what it heard."""

    def trial(case: Case, number: int) -> Trial[Run]:
        return Trial(lambda repeat: _run(subject, plan, case, (repeat, number)))

    return {case: trial(case, number) for number, case in enumerate(plan.cases())}


def _run(subject: Subject, plan: Plan, case: Case, seed: Sequence[int]) -> Run:
    windows = fresh_windows(subject.model, plan.sound, plan.largest.batch, seed)
    questions = case.questions(plan.options)
    requests = [Request(window, question) for window in windows for question in questions]
    clock, took_s, answers = SystemClock(), [], list[Generation]()
    for start in range(0, len(requests), case.batch):
        batch = Batch(tuple(requests[start : start + case.batch]))
        began_s = clock.monotonic_s()
        answers += subject.model.generate(batch)
        took_s.append(clock.monotonic_s() - began_s)
    return Run(len(windows), tuple(took_s), tuple(answers))


def gflop_by_stage(subject: Subject, case: Case, options: DecodingOptions, tokens: float) -> Mapping[str, float]:
    """That a window needs where texts have so many `tokens`; empty where it is not counted."""
    if subject.arithmetic is None or case.labels:
        return {}
    lengths = [subject.prompt_tokens(text) for text in PROMPTS[: case.prompts]]
    return subject.arithmetic.stages(lengths, options.beams, tokens)


def case_figures(
    subject: Subject, plan: Plan, case: Case, trial: Trial[Run], limit: Trial[float] | None
) -> CaseFigures:
    """`limit`: GFLOP/s of a large matrix product in each repeat."""
    heard_s = subject.model.window_samples / subject.model.sample_rate
    tokens = mean(run.tokens / len(run.answers) for run in trial.runs)
    gflop = sum(gflop_by_stage(subject, case, plan.options, tokens).values())
    shares = [gflop / run.window_s / most for run, most in zip(trial.runs, limit.runs if limit else (), strict=False)]
    return CaseFigures(
        case,
        trial.spread(lambda run: 1 / run.window_s),
        trial.spread(lambda run: run.tokens / sum(run.batch_s)),
        trial.spread(lambda run: heard_s / run.window_s),
        Percentiles.of([seconds for run in trial.runs for seconds in run.batch_s]),
        gflop or None,
        Spread.of(shares) if gflop and shares else None,
    )


def ratios(plan: Plan, trials: Mapping[Case, Trial[Run]]) -> dict[str, Spread]:
    """How much more a window costs than with one prompt, in batches of the same size."""
    largest = trials[plan.largest]
    return {
        case.name: trial.ratio(largest, lambda run: run.window_s)
        for case, trial in trials.items()
        if case.batch == plan.largest.batch and case != plan.largest
    }

"""`pengi-stream bench feeds`: how many live feeds a machine answers in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pengi_stream.errors import ConfigError
from pengi_stream.lab.bench.machine import Machine, peak_memory_mb, this_machine
from pengi_stream.lab.bench.paired import Percentiles, Trial, take_turns
from pengi_stream.lab.bench.pipelines.feeding import FeedSource, random_feeds
from pengi_stream.lab.bench.pipelines.piped import Asked, Piped, run
from pengi_stream.lab.bench.sound import Sound
from pengi_stream.types import NS_PER_S

Phases = Literal["random", "aligned"]
WARM_UP_HOPS = 2  # a feed's first window shares nothing with one before


@dataclass(frozen=True, slots=True)
class Sweep:
    """What is tried."""

    asked: Asked
    sound: Sound
    seconds: float
    """Of each trial"""
    p95_s: float
    """From the end of a window to its event being durable, at most"""
    start: int
    step: int
    """How exactly the number is found"""
    repeats: int

    @property
    def warm_up_s(self) -> float:
        """Windows that end earlier do not count."""
        spec = self.asked.windows
        return (spec.window_samples + WARM_UP_HOPS * spec.hop_samples) / spec.sample_rate


@dataclass(frozen=True, slots=True)
class FeedTrial:
    """So many feeds at once."""

    feeds: int
    phases: Phases
    in_time: bool
    """No window was shed, and the p95 is below the limit"""
    windows: int
    """That were counted"""
    latency: Percentiles | None
    """From the end of a window to its event being durable; None where no window was counted"""
    windows_a_second: float
    batch_sizes: dict[str, int]
    cpu_share: float
    """Of all cores, over the whole trial"""
    shed: int
    """Windows that waited too long"""
    drafts_held: float | None
    """Share of the drafts that were the text"""
    memory_mb: float
    """The most of this process so far"""


@dataclass(frozen=True, slots=True)
class FeedFigures:
    """All trials of a sweep."""

    machine: Machine
    model: str
    p95_s: float
    feeds: int
    """The largest number that was answered in time"""
    trials: tuple[FeedTrial, ...]
    """Of the search, in their order"""
    random: tuple[FeedTrial, ...]
    """Of the number that was found, at random phases"""
    aligned: tuple[FeedTrial, ...]
    """The same when all windows end at once, by turns with the others"""


def sweep(plan: Sweep, told: Callable[[FeedTrial], None]) -> FeedFigures:
    """Search, then repeat; `told` hears of each trial. Blocks for minutes. Raises PengiStreamError."""
    machine = this_machine()
    rest_s = plan.seconds - plan.warm_up_s
    if rest_s < plan.asked.windows.hop_samples / plan.asked.windows.sample_rate:
        raise ConfigError(
            f"--seconds {plan.seconds:g}: the first {plan.warm_up_s:.1f} s warm up; expected a hop more at least"
        )
    tried: list[FeedTrial] = []

    def attempt(feeds: int, phases: Phases, repeat: int = 0) -> FeedTrial:
        found = _trial(plan, machine, feeds, phases, repeat)
        told(found)
        return found

    def passes(feeds: int) -> bool:
        tried.append(attempt(feeds, "random"))
        return tried[-1].in_time

    most = largest(passes, plan.start, plan.step)
    at_random, at_once = (_turn(attempt, most, phases) for phases in ("random", "aligned"))
    if most:
        take_turns([at_random, at_once], plan.repeats, warm_up=False)
    return FeedFigures(
        machine, plan.asked.model.identity, plan.p95_s, most, tuple(tried), tuple(at_random.runs), tuple(at_once.runs)
    )


def largest(passes: Callable[[int], bool], start: int, step: int) -> int:
    """The largest number that `passes`, to within `step`; 0 where `step` does not. Larger ones than one that does not
    are taken not to."""
    low, high = 0, start
    while passes(high):
        low, high = high, 2 * high
    while high - low > step:
        middle = (low + high) // 2
        low, high = (middle, high) if passes(middle) else (low, middle)
    return low


def _turn(attempt: Callable[[int, Phases, int], FeedTrial], feeds: int, phases: Phases) -> Trial[FeedTrial]:
    return Trial(lambda repeat: attempt(feeds, phases, repeat))


def _trial(plan: Sweep, machine: Machine, feeds: int, phases: Phases, repeat: int) -> FeedTrial:
    spec = plan.asked.windows
    within_s = spec.hop_samples / spec.sample_rate if phases == "random" else 0.0
    chosen = random_feeds(feeds, plan.sound, (feeds, repeat, phases == "random"), within_s=within_s, live=True)
    source = FeedSource(plan.sound, chosen, round(plan.seconds * plan.sound.sample_rate), realtime=True)
    return _figures(plan, machine, feeds, phases, run(plan.asked, source))


def _figures(plan: Sweep, machine: Machine, feeds: int, phases: Phases, ran: Piped) -> FeedTrial:
    counted_ns = ran.began_ns + round(plan.warm_up_s * NS_PER_S)
    took_s = [each.since_end_s for each in ran.answered if each.end_ns >= counted_ns]
    latency = Percentiles.of(took_s) if took_s else None
    return FeedTrial(
        feeds,
        phases,
        latency is not None and not ran.shed and latency.p95_s < plan.p95_s,
        len(took_s),
        latency,
        len(took_s) / (plan.seconds - plan.warm_up_s),
        ran.batch_sizes,
        ran.cpu_s / ran.wall_s / machine.cores,
        ran.shed,
        ran.drafts_held / ran.drafts if ran.drafts else None,
        peak_memory_mb(),
    )

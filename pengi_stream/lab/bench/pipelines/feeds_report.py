"""How the benchmark of feeds tells what it found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from pengi_stream.lab.bench.pipelines.feeds import FeedFigures, FeedTrial
from pengi_stream.lab.bench.report import milliseconds, number, sizes, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = (
    "feeds",
    "phases",
    "in time",
    "ms: p50 / p95 / p99",
    "windows/s",
    "% of all cores",
    "shed",
    "batches by size",
)


def line(trial: FeedTrial) -> str:
    """What is told of a trial while the next one runs."""
    told = "in time" if trial.in_time else "too late"
    return f"{trial.feeds} feeds, {trial.phases} phases: {told}, {_latency(trial)} ms"


def result(figures: FeedFigures) -> str:
    """In one line."""
    held = [trial for trial in figures.random if trial.in_time]
    return (
        f"{figures.feeds} feeds: p95 below {figures.p95_s:g} s in {len(held)} of {len(figures.random)} more trials at "
        f"random phases, in {sum(trial.in_time for trial in figures.aligned)} of {len(figures.aligned)} aligned"
    )


def tables(figures: FeedFigures) -> list[Table]:
    """The search, then the number that it found."""
    made = [table(f"{figures.model}: the search", COLUMNS, [_row(trial) for trial in figures.trials])]
    pairs = zip(figures.random, figures.aligned, strict=True)
    if again := [_row(trial) for pair in pairs for trial in pair]:
        made.append(table("the largest number, again", COLUMNS, again))
    return made


def _row(trial: FeedTrial) -> tuple[str, ...]:
    return (
        str(trial.feeds),
        trial.phases,
        "yes" if trial.in_time else "no",
        _latency(trial),
        number(trial.windows_a_second),
        number(100 * trial.cpu_share),
        str(trial.shed),
        sizes(trial.batch_sizes),
    )


def _latency(trial: FeedTrial) -> str:
    return milliseconds(trial.latency) if trial.latency else "-"


def draw(figures: FeedFigures, figure: Figure) -> None:
    """Latency by the number of feeds, and batches by size."""
    latency, batches = figure.subplots(1, 2)
    tried = sorted((trial for trial in figures.trials if trial.latency), key=lambda trial: trial.feeds)
    for name in ("p50", "p95", "p99"):
        seconds = [getattr(trial.latency, f"{name}_s") for trial in tried]
        latency.plot([trial.feeds for trial in tried], seconds, marker="o", label=name)
    latency.axhline(figures.p95_s, color="0.6", linestyle="--")
    latency.set(xlabel="feeds, random phases", ylabel="s from a window's end to its event", yscale="log")
    latency.yaxis.set_major_formatter("{x:g}")
    latency.yaxis.set_minor_formatter("{x:g}")
    latency.legend()
    found = (*figures.random[:1], *figures.aligned[:1])
    names = sorted({size for trial in found for size in trial.batch_sizes}, key=float)
    for shift, trial in enumerate(found):
        places = [place + 0.4 * shift for place in range(len(names))]
        batches.bar(places, [trial.batch_sizes.get(size, 0) for size in names], width=0.4, label=trial.phases)
    batches.set_xticks([place + 0.2 for place in range(len(names))], names)
    batches.set(xlabel="requests in a batch, at most", ylabel=f"batches, {figures.feeds} feeds")
    if figures.random:
        batches.legend()

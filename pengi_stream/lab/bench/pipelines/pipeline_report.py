"""How the benchmark of a pipeline tells what it found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from pengi_stream.lab.bench.pipelines.pipeline import PipelineFigures
from pengi_stream.lab.bench.report import error_bars, milliseconds, sizes, spread, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def tables(figures: PipelineFigures) -> list[Table]:
    """Throughput, then latency."""
    throughput = [
        ("windows/s without a pipeline", spread(figures.direct_windows_a_second)),
        ("windows/s with it", spread(figures.piped_windows_a_second)),
        ("% of throughput lost", spread(figures.lost_percent)),
        ("% of all cores, with it", spread(figures.cpu_share, 100)),
        ("batches by size", sizes(figures.batch_sizes)),
    ]
    latency = [
        (f"{each.max_wait_s:g} s", str(each.windows), milliseconds(each.since_end), milliseconds(each.since_ready))
        for each in figures.quiet
    ]
    columns = ("max_wait_s", "windows", "ms from its end: p50 / p95 / p99", "ms from its arrival")
    return [
        table(f"{figures.model}, {figures.windows} windows a run", ("", ""), throughput),
        table("latency of a window at low load, with a model that takes no time", columns, latency),
    ]


def draw(figures: PipelineFigures, figure: Figure) -> None:
    """Throughput without and with a pipeline, and latency at low load."""
    speed, latency = figure.subplots(1, 2)
    found = [figures.direct_windows_a_second, figures.piped_windows_a_second]
    speed.bar(["without", "with a pipeline"], [each.median for each in found], yerr=error_bars(found), capsize=3)
    speed.set(ylabel="windows/s")
    for each in figures.quiet:
        times = each.since_end
        latency.plot(
            ["p50", "p95", "p99"],
            [1000 * seconds for seconds in (times.p50_s, times.p95_s, times.p99_s)],
            marker="o",
            label=f"max_wait_s {each.max_wait_s:g}",
        )
    latency.set(ylabel="ms from a window's end to its event", ylim=(0, None))
    latency.legend()

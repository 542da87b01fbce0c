"""How the benchmark of a model tells what it found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from pengi_stream.lab.bench.models.compare import ModelFigures, SubjectFigures
from pengi_stream.lab.bench.report import error_bars, milliseconds, number, spread, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CASE_COLUMNS = ("", "windows/s", "tokens/s", "x real time", "batch ms: p50 / p95 / p99", "GFLOP", "% of the limit")
STAGE_COLUMNS = ("stage, of a window", "ms", "% of all", "GFLOP", "% of the limit")


def tables(figures: ModelFigures) -> list[Table]:
    """Two or three for each model."""
    made = [each for model in figures.models for each in _tables(model)]
    if (published := figures.published) is not None:
        row = ("a window", spread(published.windows_a_second), milliseconds(published.latency))
        made.append(
            table(
                "published code",
                ("", "windows/s", "ms: p50 / p95 / p99", "same texts"),
                [(*row, f"{published.same_texts:.0%}")],
            )
        )
    return made


def _tables(model: SubjectFigures) -> list[Table]:
    cases = [
        (
            found.case.name,
            spread(found.windows_a_second),
            number(found.tokens_a_second.median),
            number(found.real_time_factor.median),
            milliseconds(found.latency),
            number(found.gflop_a_window),
            spread(found.limit_share, 100),
        )
        for found in model.cases
    ]
    stages = [
        (
            found.stage,
            spread(found.seconds, 1000),
            spread(found.share, 100),
            number(found.gflop),
            spread(found.limit_share, 100),
        )
        for found in model.stages
    ]
    limit = f"limit {spread(model.matrix_gflops)} GFLOP/s"
    made = [table(f"{model.identity}, {limit}", CASE_COLUMNS, cases)]
    if stages:
        made.append(table(f"{model.dtype}, where the time goes", STAGE_COLUMNS, stages))
    if compared := _compared(model):
        made.append(table(f"{model.dtype}, compared", ("", "times"), compared))
    return made


def _compared(model: SubjectFigures) -> list[tuple[str, str]]:
    rows = [(f"cost of a window: {name}, to one prompt", spread(found)) for name, found in model.costs.items()]
    rows += [
        (f"windows/s: {name}, to the published code", spread(found)) for name, found in model.against_published.items()
    ]
    if (found := model.agreement) is not None:
        rows.append((f"texts that are the first model's, of {found.texts}", f"{found.same:.1%}"))
        rows.append(("score lost, nats a token", f"{found.score_lost:.4f}"))
    return rows


def draw(figures: ModelFigures, figure: Figure) -> None:
    """Windows a second by batch size, and where the time goes."""
    speed, time = figure.subplots(1, 2)
    for row, model in enumerate(figures.models):
        cases = [found for found in model.cases if found.case.prompts == 1 and not found.case.labels]
        found = [each.windows_a_second for each in cases]
        sizes = [each.case.batch for each in cases]
        speed.errorbar(
            sizes, [each.median for each in found], error_bars(found), marker="o", capsize=3, label=model.dtype
        )
        begins = 0.0
        for color, stage in enumerate(model.stages):
            milliseconds_each = 1000 * stage.seconds.median
            label = stage.stage if row == 0 else None
            time.barh(model.dtype, milliseconds_each, left=begins, color=f"C{color}", label=label)
            begins += milliseconds_each
    speed.set(xlabel="requests in a batch", ylabel="windows/s", ylim=(0, None))
    speed.set_xscale("log", base=2)
    speed.xaxis.set_major_formatter("{x:g}")
    time.set(xlabel="ms a window, largest batch")
    speed.legend()
    if any(model.stages for model in figures.models):
        time.legend()

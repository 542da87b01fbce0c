"""One result of an evaluation, as a line of a table or as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.table import Table

from pengi_stream.lab.evaluation.proportion import Proportion


@dataclass(frozen=True, slots=True)
class Figure:
    """One result."""

    name: str
    value: float
    of: str
    """What it was measured on"""
    share: Proportion | None = None
    """Where it is one"""

    @classmethod
    def of_share(cls, name: str, share: Proportion, what: str) -> Figure:
        """How many of the `what` are right."""
        return cls(name, share.share, f"{share.right} of {share.of} {what}", share)

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 %, of a share"""
        return self.share.interval if self.share else None

    def as_json(self) -> dict[str, object]:
        """For programs; shares are 0 to 1."""
        found: dict[str, object] = {"value": self.value, "interval_95": self.interval, "of": self.of}
        return found | {"right": self.share.right, "count": self.share.of} if self.share else found


def table_of(figures: Iterable[Figure], title: str, caption: str) -> Table:
    """A line for each."""
    table = Table(title=title, caption=caption, title_justify="left", caption_justify="left")
    for column in ("", "value", "95 % interval", "of"):
        table.add_column(column, justify="left" if column in {"", "of"} else "right")
    for figure in figures:
        interval = "{:.3f} to {:.3f}".format(*figure.interval) if figure.interval else ""
        table.add_row(figure.name, f"{figure.value:.3f}", interval, figure.of)
    return table

"""Answers as a list that reads well: aligned lines, a table in a notebook, a DataFrame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from html import escape
from typing import Any, TypeVar

from pengi_stream.errors import PengiStreamError

MOST_LINES = 20
MOST_LETTERS = 80
BEST = 3


R = TypeVar("R")


class Table(list[R]):
    """A list, in all that lists do, of dataclasses."""

    def __repr__(self) -> str:
        rows = [_shown(item) for item in self[:MOST_LINES]]
        columns = list(dict.fromkeys(column for row in rows for column in row))
        lines = [columns, *([row.get(column, "") for column in columns] for row in rows)]
        widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
        text = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        ]
        more = [f"... and {len(self) - MOST_LINES} more"] if len(self) > MOST_LINES else []
        return "\n".join([*text, *more]) if rows else "[]"

    def _repr_html_(self) -> str:
        """For notebooks."""
        rows = [_shown(item) for item in self]
        columns = list(dict.fromkeys(column for row in rows for column in row))
        head = "".join(f"<th>{escape(column)}</th>" for column in columns)
        cells = ("".join(f"<td>{escape(row.get(column, ''))}</td>" for column in columns) for row in rows)
        body = "".join(f"<tr>{row}</tr>" for row in cells)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def to_pandas(self) -> Any:
        """A pandas.DataFrame with a row each, and a column `score: LABEL` for each label. Raises PengiStreamError where
        pandas is not installed."""
        try:
            import pandas  # type: ignore[import-not-found,import-untyped,unused-ignore]
        except ImportError as error:
            raise PengiStreamError("pandas is not installed; pip install pandas") from error
        return pandas.DataFrame([_flat(_values(item)) for item in self])


def _values(item: Any) -> dict[str, Any]:
    """Columns that hold something; what is itself an answer gives its text."""
    values = {field.name: getattr(item, field.name) for field in fields(item)}
    answers: dict[str, Any] = {name: value for name, value in values.items() if is_dataclass(value)}
    if not answers:
        return values
    first = next(iter(answers.values()))
    place = {name: getattr(first, name) for name in ("audio", "start_s", "end_s")}
    return place | {name: answer.text for name, answer in answers.items()}


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    scores = values.pop("scores", None)
    return values | {f"score: {label}": score for label, score in (scores or {}).items()}


def _shown(item: Any) -> dict[str, str]:
    values = _values(item)
    return {name: _cell(value) for name, value in values.items() if name not in {"written", "scores"} or value}


def _cell(value: object) -> str:
    if isinstance(value, Mapping):
        best = sorted(value.items(), key=lambda entry: -entry[1])[:BEST]
        return ", ".join(f"{label} {score:.2f}" for label, score in best)
    text = f"{value:.2f}" if isinstance(value, float) else " ".join(str(value).split())
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 3]}..."

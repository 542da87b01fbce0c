"""A data set as users have it: a table of recordings, and what is true of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pengi_stream.errors import ConfigError
from pengi_stream.lab.evaluation.rows import read_rows

Kind = Literal["label", "labels", "captions"]
"""One label a recording, several, or captions"""

SEPARATOR = ";"
FILES_SHOWN = 3
COLUMNS_SHOWN = 12
EXPECTED = "path and one of label, labels, caption or caption_1, caption_2 ..."


@dataclass(frozen=True, slots=True)
class Item:
    """A recording and what is true of it."""

    path: Path
    name: str
    """As in the table"""
    truths: tuple[str, ...]
    """Its label, its labels (perhaps none), or its captions"""
    question: str | None = None
    """What is asked about it, where the table says so"""


@dataclass(frozen=True, slots=True)
class DataSet:
    """All recordings of a table."""

    kind: Kind
    items: tuple[Item, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels that occur, sorted."""
        return tuple(sorted({label for item in self.items for label in item.truths}))


def as_label(text: str) -> str:
    """`text` as the model reads it: data sets write underscores for spaces."""
    return " ".join(text.replace("_", " ").split())


def read_dataset(table: Path, audio: Path, columns: Mapping[str, str] | None = None) -> DataSet:
    """The recordings that the CSV file `table` names, below the folder `audio`.

    `columns` says which column of the file is meant by path, label, labels, caption or question, where it has another
    name. Several rows of one path add their captions. Raises ConfigError, which names what is wrong.
    """
    rows = read_rows(table, renamed=columns)
    kind, named = _kind(table, rows[0])
    question = "question" in rows[0]
    items = [_item(audio, row, _truths(kind, named, row), row["question"] if question else None) for row in rows]
    if kind == "captions":
        items = _joined(items)
    _check(table, audio, kind, items)
    return DataSet(kind, tuple(items))


def read_labels(path: Path) -> tuple[str, ...]:
    """Labels to choose among, one a line. Raises ConfigError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as a text file with one label a line: {error}") from error
    labels = [as_label(line) for line in lines if line.strip()]
    if not labels or len(set(labels)) < len(labels):
        raise ConfigError(
            f"{path}: found {'no label' if not labels else 'a label twice'}, expected one a line, each once"
        )
    return tuple(labels)


def _kind(table: Path, row: Mapping[str, str]) -> tuple[Kind, list[str]]:
    """What the table says of recordings, and in which columns."""
    captions = [name for name in row if name == "caption" or name.startswith("caption_")]
    kinds: dict[Kind, list[str]] = {
        "label": [name for name in row if name == "label"],
        "labels": [name for name in row if name == "labels"],
        "captions": captions,
    }
    present = [(kind, names) for kind, names in kinds.items() if names]
    if "path" not in row or len(present) != 1:
        raise ConfigError(
            f"{table}: found the columns {_listed(row)}; expected {EXPECTED}, or --column path=NAME and so on"
        )
    return present[0]


def _truths(kind: Kind, columns: Sequence[str], row: Mapping[str, str]) -> tuple[str, ...]:
    values = [row[column] for column in columns]
    if kind == "captions":
        return tuple(value.strip() for value in values if value.strip())
    parts = values[0].split(SEPARATOR) if kind == "labels" else values
    return tuple(dict.fromkeys(as_label(part) for part in parts if part.strip()))


def _item(audio: Path, row: Mapping[str, str], truths: tuple[str, ...], question: str | None) -> Item:
    return Item(audio / row["path"], row["path"], truths, question)


def _joined(items: Iterable[Item]) -> list[Item]:
    """One item for each path, with the captions of all its rows."""
    truths: dict[Path, tuple[str, ...]] = {}
    first: dict[Path, Item] = {}
    for item in items:
        first.setdefault(item.path, item)
        truths[item.path] = truths.get(item.path, ()) + item.truths
    return [Item(path, item.name, truths[path], item.question) for path, item in first.items()]


def _check(table: Path, audio: Path, kind: Kind, items: Sequence[Item]) -> None:
    if kind != "labels" and (bare := [item for item in items if not item.truths]):
        what = "label" if kind == "label" else "caption"
        raise ConfigError(f"{table}: {bare[0].name!r} has no {what}, and {len(bare) - 1} more; expected one for each")
    if unasked := [item.name for item in items if item.question is not None and not item.question.strip()]:
        raise ConfigError(f"{table}: {_listed(unasked, FILES_SHOWN)} has an empty question; expected one for each")
    if missing := [item.name for item in items if not item.path.is_file()]:
        raise ConfigError(
            f"{len(missing)} of {len(items)} files are not in {audio}: {_listed(missing, FILES_SHOWN)}; "
            f"check --audio and {table}"
        )


def _listed(names: Iterable[str], most: int = COLUMNS_SHOWN) -> str:
    all_names = list(names)
    more = f" and {len(all_names) - most} more" if len(all_names) > most else ""
    return (", ".join(all_names[:most]) or "none") + more

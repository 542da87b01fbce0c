"""Tables as users have them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from pengi_stream.errors import ConfigError


def read_rows(
    path: Path, columns: Sequence[str] = (), renamed: Mapping[str, str] | None = None
) -> list[dict[str, str]]:
    """The rows of a CSV file that has at least `columns`, none of them empty.

    `renamed` says which column of the file is meant by a name, where it has another. Raises ConfigError.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines, restval="")
            header = list(reader.fieldnames or ())
            rows = [{key: value for key, value in row.items() if key is not None} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path}: cannot be read as a CSV file: {reason}") from error
    if unknown := [column for column in (renamed or {}).values() if column not in header]:
        raise ConfigError(f"{path}: no column {unknown[0]!r}; found {', '.join(header)}")
    if missing := [column for column in columns if column not in header]:
        found, expected = ",".join(header), ",".join(columns)
        raise ConfigError(f"{path}: found the columns {found}, expected {expected}: no {missing[0]}")
    if not rows:
        raise ConfigError(f"{path}: found no rows, expected a line of column names and one for each recording")
    for number, row in enumerate(rows, start=2):
        if empty := [column for column in columns if not row[column].strip()]:
            raise ConfigError(f"{path}, line {number}: the {empty[0]} is empty")
    names = {column: name for name, column in (renamed or {}).items()}
    return [{names.get(key, key): value for key, value in row.items()} for row in rows]

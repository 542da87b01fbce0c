"""YAML to data. What is wrong is told with its place, and nothing of it is quoted: it may hold a secret."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from pengi_stream.errors import ConfigError

KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
"""What looks like a key; anything else may be a secret whose colon or quotes were forgotten"""
NAMED_BY_USERS = ("alias", "anchor", "tag")


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, of which YAML's second one wins without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys: set[object] = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.value in keys and isinstance(key, yaml.ScalarNode):
                name = f"the key {key.value!r}" if KEY.fullmatch(str(key.value)) else "a key"
                raise yaml.MarkedYAMLError(problem=f"found {name} a second time", problem_mark=key.start_mark)
            keys.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in the file at `path`. Raises ConfigError."""
    try:
        data = parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not a text file; expected a pipeline in YAML") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: found {type(data).__name__}, expected a mapping with `sources`")
    return data


def parse_yaml(text: str, origin: str) -> Any:
    """The value that `text` is; `origin` names it. Raises ConfigError."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506  it is a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(f"{origin}: is not YAML{place}: {_problem(error)}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{origin}: is not YAML: found a character that may not stand in it") from error
    except ValueError:  # a date such as 2026-02-31
        raise ConfigError(f"{origin}: is not YAML: found a value that is no number, and no date") from None


def _problem(error: yaml.MarkedYAMLError) -> str:
    problem = " ".join((error.problem or "found something else than was expected").split())
    if any(word in problem for word in NAMED_BY_USERS):
        return f"{problem.split(chr(39))[0].strip()}; a value that begins with & * or ! needs quotes"
    return problem

"""What lies on top of a pipeline file: the environment's variables, and on those the command line's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pengi_stream.config.reading import parse_yaml
from pengi_stream.errors import ConfigError

ENVIRONMENT_PREFIX = "PENGI_STREAM_"


def overridden(data: Mapping[str, Any], environment: Mapping[str, str], overrides: Iterable[str]) -> dict[str, Any]:
    """`data` with `PENGI_STREAM_BATCH__MAX_WAIT_S` of the `environment` and `batch.max_wait_s=1` of `overrides`.

    Of each, types come first. Raises ConfigError."""
    layers: dict[str, Any] = dict(data)
    for settings in (_from_environment(environment), _from_command_line(overrides)):
        for setting in sorted(settings, key=lambda setting: setting.keys[-1] != "type"):
            layers = _overlaid(layers, setting.keys, parse_yaml(setting.value, setting.origin), setting.origin)
    return layers


class _Setting(NamedTuple):
    """A value and where it goes."""

    keys: list[str]
    value: str
    origin: str


def _from_environment(variables: Mapping[str, str]) -> list[_Setting]:
    return [
        _Setting(variable.removeprefix(ENVIRONMENT_PREFIX).lower().split("__"), value, variable)
        for variable, value in sorted(variables.items())
        if variable.startswith(ENVIRONMENT_PREFIX)
    ]


def _from_command_line(overrides: Iterable[str]) -> list[_Setting]:
    found = []
    for number, override in enumerate(overrides, start=1):
        key, equals, value = override.partition("=")
        if not equals:
            raise ConfigError(
                f"--set, number {number}: found no `=`; expected KEY=VALUE, for example batch.max_wait_s=1"
            )
        found.append(_Setting(key.strip().split("."), value, f"--set {key}"))
    return found


def _overlaid(data: Any, keys: list[str], value: Any, origin: str) -> Any:
    """`data` with `value` at the place that `keys` name; lists by index, missing mappings are made.

    Another `type` takes none of the keys of the one before."""
    if not keys:
        return value
    key, *rest = keys
    if isinstance(data, list | tuple):
        if not key.isdigit() or int(key) >= len(data):
            raise ConfigError(f"{origin}: {key!r} is no index of a list of {len(data)}")
        index = int(key)
        return [*data[:index], _overlaid(data[index], rest, value, origin), *data[index + 1 :]]
    if keys == ["type"] and isinstance(data, dict) and data.get("type") not in {None, value}:
        return {"type": value}
    if data is None or isinstance(data, dict):
        below = dict(data or {})
        below[key] = _overlaid(below.get(key), rest, value, origin)
        return below
    raise ConfigError(f"{origin}: what is there is no mapping, and has no key {key!r} below it")

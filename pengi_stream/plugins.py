"""Sources, sinks and models by name: built-ins and strangers register the same way, through entry points.

An entry point names a config class; its `build()` imports the implementation, so that a pipeline file loads without
torch or PortAudio.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from pengi_stream.errors import ConfigError

Kind = Literal["sources", "sinks", "models", "dead_letters"]
KINDS: tuple[Kind, ...] = ("sources", "sinks", "models", "dead_letters")


class FrozenModel(BaseModel):
    """A part of a pipeline file: unknown keys are errors that name the nearest valid one, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _name_unknown_keys(cls, data: object) -> object:
        if isinstance(data, dict):
            for key in data.keys() - cls.model_fields.keys():
                hint = suggest(str(key), cls.model_fields)
                raise PydanticCustomError("unknown_key", "unknown key '{key}'; {hint}", {"key": key, "hint": hint})
        return data


class PluginConfig(FrozenModel):
    """Base of every plugin's config. A subclass narrows `type` to its name and defines `build()`.

    Fields become keys of the pipeline file. `build()` takes no argument, imports the implementation and returns it;
    it may raise ConfigError, and must not touch devices or the network.
    """

    type: str

    def build(self) -> object:
        """The source, model, sink or dead-letter sink that this config describes."""
        raise NotImplementedError(f"{type(self).__name__} does not define build()")


class SourceConfig(PluginConfig):
    """Base of a source's config; `build()` returns an AudioSource."""

    live: bool = False
    """Live audio cannot wait: when the pipeline is behind, its oldest frames are dropped and counted."""


class SinkConfig(PluginConfig):
    """Base of a sink's config; `build()` returns an EventSink."""

    required: bool = True
    """A position is committed only when every required sink has its events; others drop and count."""


class WindowSourceConfig(SourceConfig):
    """Base of the config of a source of windows; `build()` returns a WindowSource."""

    live: Literal[False] = False
    """Windows that were sent can wait: nothing is dropped."""


class WindowSinkConfig(SinkConfig):
    """Base of the config of a sink that takes windows instead of events; `build()` returns a WindowSink."""

    required: Literal[True] = True
    """No window is dropped."""


def _resolve_secret(value: object) -> object:
    if not isinstance(value, dict):
        return value
    match value:
        case {"env": str(name), **rest} if not rest:
            if name not in os.environ:
                raise ValueError(f"environment variable {name} is not set; it should hold the secret")
            return os.environ[name]
        case {"file": str(path), **rest} if not rest:
            try:
                return Path(path).read_text().strip()
            except OSError as error:
                raise ValueError(f"secret file {path} cannot be read: {error.strerror}") from error
    raise ValueError("a secret is a string, {env: NAME} or {file: PATH}")


Secret = Annotated[SecretStr, BeforeValidator(_resolve_secret)]
"""A secret wherever it stands in a pipeline file: a string, `{env: NAME}` or `{file: PATH}`. Never printed."""


@cache
def registered(kind: Kind) -> dict[str, EntryPoint]:
    """Entry points of `kind` by name."""
    return {entry.name: entry for entry in entry_points(group=f"pengi_stream.{kind}")}


def config_class(kind: Kind, name: str) -> type[PluginConfig]:
    """The config class registered as `name`. Raises ConfigError, with the nearest name, where there is none."""
    found = registered(kind)
    if name not in found:
        raise ConfigError(f"no {kind[:-1].replace('_', ' ')} of type {name!r}; {suggest(name, found)}")
    try:
        loaded = found[name].load()
    except ImportError as error:
        raise ConfigError(f"{kind} plugin {name!r} cannot be imported: {error}") from error
    if not (isinstance(loaded, type) and issubclass(loaded, PluginConfig)):
        raise ConfigError(f"{kind} plugin {name!r} names {loaded!r}, expected a subclass of PluginConfig")
    return loaded


def suggest(found: str, valid: Iterable[str]) -> str:
    """`did you mean 'x'?`, or the list of valid names."""
    names = sorted(valid)
    near = difflib.get_close_matches(found, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(names)}"

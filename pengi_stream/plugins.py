"""Sources, sinks and models by name: built-ins and strangers register the same way, through entry points.

An entry point names a config class; its `build()` imports the implementation, so that a pipeline file loads without
torch or PortAudio.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from pengi_stream.errors import ConfigError
from pengi_stream.protocols import AudioLanguageModel, Context, DeadLetterSink, Sink, Source, Transaction
from pengi_stream.types import WindowGrid

PartName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
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

    Fields become keys of the pipeline file. `build(context)` imports the implementation and returns it, complete; it
    may raise ConfigError, and must not touch devices or the network. What a part can do its config says by its base
    class.
    """

    type: str

    def check(self, pipeline: PipelineParts) -> Iterable[str]:  # noqa: ARG002
        """What of the whole pipeline stands in its way, one line each: what was found, what was expected."""
        return ()

    def completed(self, pipeline: PipelineParts) -> Self:  # noqa: ARG002
        """With what it takes from other parts where its own keys do not say it."""
        return self


class SourceConfig(PluginConfig):
    """Base of an audio source's config."""

    name: PartName | None = None
    """What events, metrics and messages call it; default: its type"""
    live: bool = False
    """Live audio cannot wait: when the pipeline is behind, its oldest frames are dropped and counted."""

    def build(self, context: Context) -> Source:
        """The source that this config describes; an AudioSource, unless it is a WindowSourceConfig."""
        raise NotImplementedError(f"{type(self).__name__} does not define build()")


class ReplayedSourceConfig(SourceConfig):
    """Base of the config of a source that asks `Context.progress` how far its work is, instead of being told."""

    live: Literal[False] = False
    """What can be read again can wait: nothing is dropped."""


class TransactionalSourceConfig(ReplayedSourceConfig):
    """Base of the config of a source whose place can be committed together with the events that were made of it."""

    def build_transaction(
        self, context: Context, source: Source, sinks: Sequence[SinkConfig], dead_letters: DeadLettersConfig | None
    ) -> Transaction:
        """What commits the place of `source`, which this config built, with what `sinks` and `dead_letters` write."""
        raise NotImplementedError(f"{type(self).__name__} does not define build_transaction()")


class WindowSourceConfig(ReplayedSourceConfig):
    """Base of the config of a source of windows; `build()` returns a WindowSource."""


class ModelConfig(PluginConfig):
    """Base of a model's config."""

    def windows(self) -> WindowGrid | None:
        """As the model that it builds has them, where they can be told without loading it. Raises ModelError, as where
        a checkpoint is missing."""
        return None

    def build(self, context: Context) -> AudioLanguageModel:
        """The model that this config describes."""
        raise NotImplementedError(f"{type(self).__name__} does not define build()")


class SinkConfig(PluginConfig):
    """Base of a sink's config."""

    name: PartName | None = None
    """What metrics and messages call it; default: its type"""
    required: bool = True
    """A position is committed only when every required sink has its events; others drop and count."""

    def build(self, context: Context) -> Sink[Any]:
        """The sink that this config describes; an EventSink, unless it is a WindowSinkConfig."""
        raise NotImplementedError(f"{type(self).__name__} does not define build()")


class WindowSinkConfig(SinkConfig):
    """Base of the config of a sink that takes windows instead of events; `build()` returns a WindowSink."""

    required: Literal[True] = True
    """No window is dropped."""


class DeadLettersConfig(PluginConfig):
    """Base of the config of dead letters."""

    def build(self, context: Context) -> DeadLetterSink:
        """The dead letters that this config describes."""
        raise NotImplementedError(f"{type(self).__name__} does not define build()")


class PipelineParts(Protocol):
    """What a part may look at of the pipeline that it is in."""

    @property
    def sources(self) -> Sequence[SourceConfig]: ...

    @property
    def sinks(self) -> Sequence[SinkConfig]: ...

    @property
    def dead_letters(self) -> DeadLettersConfig | None: ...

    @property
    def exactly_once(self) -> bool: ...

    @property
    def forgetful_prompts(self) -> Sequence[str]:
        """Ids of those whose answers depend on what was said before, which a restart forgets."""
        ...


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

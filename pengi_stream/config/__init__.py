"""A pipeline file: YAML < environment (`PENGI_STREAM_BATCH__MAX_WAIT_S`) < `--set batch.max_wait_s=1`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, TypeAdapter, ValidationError, model_validator
from pydantic_core import ErrorDetails

from pengi_stream.config.overrides import overridden
from pengi_stream.config.reading import KEY, read_yaml
from pengi_stream.errors import ConfigError
from pengi_stream.plugins import (
    DeadLettersConfig,
    FrozenModel,
    Kind,
    ModelConfig,
    PluginConfig,
    SinkConfig,
    SourceConfig,
    TransactionalSourceConfig,
    WindowSinkConfig,
    WindowSourceConfig,
    config_class,
    registered,
)
from pengi_stream.prompts import PromptConfig

DEFAULT_MODEL = {"type": "pengi"}
VARIANT = re.compile(r"(tuple|list|dict|function-\w+)\[.*|str|constrained-str")
"""How pydantic calls one of several types that a value may have"""
WORDS = {"tuple_type": "expected a list", "dict_type": "expected a mapping", "model_type": "expected a mapping"}
"""For pydantic's *valid tuple*, which no YAML has"""


def _plugin(kind: Kind) -> BeforeValidator:
    def resolve(value: object) -> object:
        if not isinstance(value, dict):
            return value
        if "type" not in value:
            raise ValueError(f"`type` is missing; expected one of {', '.join(sorted(registered(kind)))}")
        try:
            chosen = config_class(kind, str(value["type"]))
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return chosen.model_validate(value)

    return BeforeValidator(resolve)


AnySource = Annotated[SerializeAsAny[SourceConfig], _plugin("sources")]
AnyModel = Annotated[SerializeAsAny[ModelConfig], _plugin("models")]
AnySink = Annotated[SerializeAsAny[SinkConfig], _plugin("sinks")]
AnyDeadLetters = Annotated[SerializeAsAny[DeadLettersConfig], _plugin("dead_letters")]


class WindowConfig(FrozenModel):
    """How streams are cut."""

    hop_s: float | None = Field(default=None, ge=0.01)
    """Seconds from one window's start to the next; default: half the model's window, on its hop grid."""
    tail: Literal["pad", "repeat", "drop"] = "repeat"
    """What becomes of the rest of a segment that does not fill a window."""


class GateConfig(FrozenModel):
    """Which windows are worth the model's time."""

    min_dbfs: float | None = Field(default=-60, le=0)
    """The loudest 100 ms of a window must reach this level; null: all pass."""


class BatchConfig(FrozenModel):
    """How requests share the model."""

    max_batch_size: int = Field(default=16, ge=1, le=1024)
    max_wait_s: float = Field(default=0, ge=0)
    """A request waits so long for others, though the model is free; while it is busy, requests gather anyway."""
    max_age_s: float = Field(default=30, gt=0)
    """Requests of live streams that waited longer are shed and counted."""


class DeliveryConfig(FrozenModel):
    """What is promised about events."""

    guarantee: Literal["at_least_once", "exactly_once"] = "at_least_once"
    give_up_after_s: float = Field(default=60, ge=0)
    """A required sink that refuses for so long ends the run."""


class ShutdownConfig(FrozenModel):
    """How a run ends that is told to."""

    drain_s: float = Field(default=30, ge=0)
    """Time in which all that was heard must reach the sinks; the rest is abandoned and counted."""


class LoggingConfig(FrozenModel):
    """Log lines on stderr."""

    level: Literal["debug", "info", "warning", "error"] = "warning"
    format: Literal["console", "json"] = "console"


class ServerConfig(FrozenModel):
    """`/metrics`, `/livez` and `/readyz` over HTTP, without any access control."""

    host: str = "127.0.0.1"
    """Address to listen at; 0.0.0.0: at all, where only those who may reach the port can."""
    port: int = Field(default=9464, ge=0, le=65_535)
    """0: any free one, which a log line at level `info` names."""


class PipelineConfig(FrozenModel):
    """A whole pipeline file."""

    version: Literal[1] = 1
    name: str = Field(default="pipeline", min_length=1)
    """Becomes the `source` of its events; default: the file's stem."""
    model: AnyModel = Field(default=DEFAULT_MODEL, validate_default=True)
    window: WindowConfig = WindowConfig()
    gate: GateConfig = GateConfig()
    prompts: tuple[PromptConfig, ...] = Field(default=(PromptConfig(id="caption", task="caption"),), min_length=1)
    batch: BatchConfig = BatchConfig()
    sources: tuple[AnySource, ...] = Field(min_length=1)
    sinks: tuple[AnySink, ...] = Field(default=({"type": "console"},), min_length=1, validate_default=True)
    delivery: DeliveryConfig = DeliveryConfig()
    dead_letters: AnyDeadLetters | None = None
    shutdown: ShutdownConfig = ShutdownConfig()
    logging: LoggingConfig = LoggingConfig()
    server: ServerConfig | None = None
    """Absent: no server."""

    @property
    def sends_windows(self) -> bool:
        """Whether it ends at windows, which a model elsewhere is asked about."""
        return isinstance(self.sinks[0], WindowSinkConfig)

    @property
    def takes_windows(self) -> bool:
        """Whether all of its sources give windows that were cut elsewhere."""
        return all(isinstance(source, WindowSourceConfig) for source in self.sources)

    @property
    def exactly_once(self) -> bool:
        """Whether events and positions are to be durable together."""
        return self.delivery.guarantee == "exactly_once"

    @property
    def forgetful_prompts(self) -> Sequence[str]:
        """Ids of those whose answers depend on what was said before, which a restart forgets."""
        return [prompt.id for prompt in self.prompts if prompt.novelty is not None]

    @property
    def source_names(self) -> Sequence[str]:
        """One for each source, in order."""
        return _names(self.sources)

    @property
    def sink_names(self) -> Sequence[str]:
        """One for each sink, in order."""
        return _names(self.sinks)

    @model_validator(mode="after")
    def _check(self) -> PipelineConfig:
        if len({isinstance(sink, WindowSinkConfig) for sink in self.sinks}) > 1:
            types = ", ".join(sink.type for sink in self.sinks)
            raise ValueError(f"sinks take either windows or events, found {types}; make two pipelines of them")
        for kind, names in {
            "prompt ids": [prompt.id for prompt in self.prompts],
            "names of sources": self.source_names,
            "names of sinks": self.sink_names,
        }.items():
            if repeated := {name for name in names if names.count(name) > 1}:
                raise ValueError(f"{kind} must differ; found twice: {', '.join(sorted(repeated))}")
        if self.exactly_once and not isinstance(self.sources[0], TransactionalSourceConfig):
            raise ValueError(
                "delivery.guarantee: exactly_once needs a Kafka source, and Kafka sinks and dead letters wherever they "
                f"are required; found {self.sources[0].type}"
            )
        if shared := _twice([*self.sinks, *([self.dead_letters] if self.dead_letters else [])]):
            raise ValueError(f"two sinks, or a sink and dead_letters, write to {shared}; give each a path of its own")
        letters = self.dead_letters.completed(self) if self.dead_letters else None
        complete = self.model_copy(update={"dead_letters": letters})
        parts = [*complete.sources, complete.model, *complete.sinks, *([letters] if letters else [])]
        for part in parts:
            for trouble in part.check(complete):
                raise ValueError(trouble)
        return complete


def _names(parts: Sequence[SourceConfig | SinkConfig]) -> Sequence[str]:
    """As given; else the type, with a number where several have no other name."""
    types = [part.type for part in parts if part.name is None]
    numbers = dict.fromkeys(types, 0)
    names = []
    for part in parts:
        if part.name is None:
            numbers[part.type] += 1
        several = part.name is None and types.count(part.type) > 1
        names.append(f"{part.type}-{numbers[part.type]}" if several else part.name or part.type)
    return names


def _twice(parts: Sequence[PluginConfig]) -> str | None:
    """A file that more than one of `parts` writes to."""
    paths = [Path(path).resolve() for part in parts if (path := getattr(part, "path", "-")) != "-"]
    repeated = [str(path) for path in paths if paths.count(path) > 1 and (path.is_file() or not path.exists())]
    return repeated[0] if repeated else None


def load_config(
    path: Path, *, environment: Mapping[str, str] | None = None, overrides: Iterable[str] = ()
) -> PipelineConfig:
    """The pipeline in `path`, with the environment's and then the command line's `key=value` on top.

    Raises ConfigError; its message names the file and each wrong key.
    """
    return parse_config(read_yaml(path), name=path.stem, origin=str(path), environment=environment, overrides=overrides)


def parse_config(
    data: Mapping[str, Any],
    *,
    name: str,
    origin: str,
    environment: Mapping[str, str] | None = None,
    overrides: Iterable[str] = (),
) -> PipelineConfig:
    """As `load_config`, from a mapping. `origin` is what error messages call it."""
    layers: dict[str, Any] = {"name": name, "model": DEFAULT_MODEL, **data}
    layers = overridden(layers, os.environ if environment is None else environment, overrides)
    try:
        return PipelineConfig.model_validate(layers)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {_describe(error)}") from error


def json_schema() -> dict[str, Any]:
    """JSON schema of a pipeline file, with every installed plugin."""
    schema = PipelineConfig.model_json_schema()
    places: dict[str, Kind] = {
        "sources": "sources",
        "sinks": "sinks",
        "model": "models",
        "dead_letters": "dead_letters",
    }
    for key, kind in places.items():
        options = []
        for plugin in sorted(registered(kind)):
            part = TypeAdapter(config_class(kind, plugin)).json_schema(ref_template="#/$defs/{model}")
            schema["$defs"].update(part.pop("$defs", {}))
            part["required"] = sorted({"type", *part.get("required", ())})
            options.append(part)
        if kind in {"sources", "sinks"}:
            schema["properties"][key]["items"] = {"anyOf": options}
        else:
            schema["properties"][key] = {"anyOf": options}
    return schema


def _describe(error: ValidationError) -> str:
    lines = []
    problems = error.errors(include_url=False, include_input=False)
    deep = {problem["loc"][0] for problem in problems if len(problem["loc"]) > 1}
    for problem in problems:
        if problem["type"] == "too_short" and problem["loc"][0] in deep:
            continue  # it counts the wrong items as missing
        if _is_shared(problem, problems):
            continue
        place = ".".join(str(part) for part in problem["loc"] if not VARIANT.fullmatch(str(part)))
        message = _message(problem)
        lines.append(f"{place}: {message}" if place else message)
    return "; ".join(lines)


def _message(problem: ErrorDetails) -> str:
    if problem["type"] == "unknown_key" and not KEY.fullmatch(str(problem["ctx"]["key"])):
        return (
            "found something that is no key, and may hold a secret; expected `key: value` with a space behind the colon"
        )
    return WORDS.get(problem["type"], problem["msg"].removeprefix("Value error, "))


def _is_shared(problem: ErrorDetails, problems: Sequence[ErrorDetails]) -> bool:
    """Is it about what dead letters have from a source?"""
    shared = problem["loc"][1:]
    return problem["loc"][:1] == ("dead_letters",) and any(
        other["loc"][:1] == ("sources",) and (other["loc"][2:], other["msg"]) == (shared, problem["msg"])
        for other in problems
    )

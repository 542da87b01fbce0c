"""From a configuration to a pipeline that can run: each part is built once, with all that it needs."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from pengi_stream.clock import Clock, SystemClock
from pengi_stream.config import PipelineConfig, WindowConfig
from pengi_stream.engine.segment import WindowSpec
from pengi_stream.errors import ConfigError
from pengi_stream.metrics import Metrics
from pengi_stream.plugins import ReplayedSourceConfig, SourceConfig, TransactionalSourceConfig
from pengi_stream.protocols import (
    AudioLanguageModel,
    AudioSource,
    Context,
    DeadLetterSink,
    Source,
    Transaction,
    WindowSource,
)
from pengi_stream.runtime.assembly import Assembly, AudioFeed, WindowFeed
from pengi_stream.runtime.pipeline import Pipeline
from pengi_stream.runtime.sink_writers import NamedSink
from pengi_stream.runtime.tracker import Tracker
from pengi_stream.types import WindowGrid, WindowShape

log = structlog.get_logger()


def build_pipeline(config: PipelineConfig, extra_sinks: Sequence[NamedSink] = ()) -> Pipeline:
    """Build all parts of `config`, and warm the model up. Raises ConfigError, ModelError, SourceError, SinkError."""
    clock, metrics = SystemClock(), Metrics()
    grid, model = config.model.windows(), None
    if grid is None and not config.sends_windows:
        model = _model(config, metrics, clock)
    windows = window_spec(config.window, model or grid or window_grid(config))
    builder = _Builder(config, clock, metrics, WindowShape(windows.sample_rate, windows.window_samples), extra_sinks)
    feeds = builder.feeds()
    transaction = builder.transaction(feeds[0].source)
    sinks = [*builder.sinks(transaction), *extra_sinks]
    letters = builder.dead_letters(transaction)
    if not config.sends_windows:  # last: it takes longest
        model = _warm(model or _model(config, metrics, clock))
    assembly = Assembly(
        name=config.name,
        model=model,
        windows=windows,
        min_dbfs=config.gate.min_dbfs,
        prompts=[prompt.build() for prompt in config.prompts],
        feeds=feeds,
        sinks=sinks,
        dead_letters=letters,
        transaction=transaction,
        tracker=builder.tracker,
        metrics=metrics,
        max_batch_size=config.batch.max_batch_size,
        max_wait_s=config.batch.max_wait_s,
        max_age_s=config.batch.max_age_s,
        give_up_after_s=config.delivery.give_up_after_s,
        drain_s=config.shutdown.drain_s,
    )
    return Pipeline(assembly, clock=clock)


class _Builder:
    """Builds the ends of a pipeline."""

    def __init__(
        self,
        config: PipelineConfig,
        clock: Clock,
        metrics: Metrics,
        shape: WindowShape,
        extra_sinks: Sequence[NamedSink],
    ) -> None:
        self._config = config
        self._clock = clock
        self._metrics = metrics
        self._shape = shape
        required = sum(sink.required for sink in config.sinks) + sum(sink.required for sink in extra_sinks)
        self.tracker = Tracker(len(config.sources), required)

    def context(self, name: str, *, source: int | None = None, transaction: Transaction | None = None) -> Context:
        return Context(
            name=name,
            clock=self._clock,
            metrics=self._metrics,
            shape=self._shape,
            progress=None if source is None else self.tracker.progress(source),
            transactional=self._config.exactly_once,
            transaction=transaction,
        )

    def feeds(self) -> list[AudioFeed | WindowFeed]:
        named = zip(self._config.source_names, self._config.sources, strict=True)
        return [_feed(name, config, self._source(number, name)) for number, (name, config) in enumerate(named)]

    def _source(self, number: int, name: str) -> Source:
        config = self._config.sources[number]
        return config.build(self.context(name, source=number if isinstance(config, ReplayedSourceConfig) else None))

    def transaction(self, source: Source) -> Transaction | None:
        """What commits the place of `source` with the events that are made of it, where that is promised."""
        config = self._config.sources[0]
        if not self._config.exactly_once:
            return None
        if not isinstance(config, TransactionalSourceConfig):
            raise ConfigError(f"exactly_once: found a source of type {config.type}, expected one of Kafka")
        required = [sink for sink in self._config.sinks if sink.required]
        return config.build_transaction(self.context("transaction"), source, required, self._config.dead_letters)

    def dead_letters(self, transaction: Transaction | None) -> DeadLetterSink | None:
        config = self._config.dead_letters
        return None if config is None else config.build(self.context("dead_letters", transaction=transaction))

    def sinks(self, transaction: Transaction | None) -> list[NamedSink]:
        named = zip(self._config.sink_names, self._config.sinks, strict=True)
        return [
            NamedSink(
                name,
                sink.build(self.context(name, transaction=transaction if sink.required else None)),
                sink.required,
            )
            for name, sink in named
        ]


def _feed(name: str, config: SourceConfig, source: Source) -> AudioFeed | WindowFeed:
    told = not isinstance(config, ReplayedSourceConfig)
    match source:
        case AudioSource():
            return AudioFeed(name, source, config.live, told)
        case WindowSource():
            return WindowFeed(name, source, told)
    raise ConfigError(f"source {name!r} of type {config.type} built a {type(source).__name__}, expected an AudioSource")


def window_grid(config: PipelineConfig) -> WindowGrid:
    """The windows of the model of `config`, which is loaded only where nothing else tells them. Raises ModelError."""
    grid = config.model.windows()
    if grid is not None:
        return grid
    model = config.model.build(Context.alone("model"))
    return WindowGrid(model.sample_rate, model.window_samples, model.hop_grid_samples)


def load_model(config: PipelineConfig) -> AudioLanguageModel:
    """The model of `config`, which can answer all of its prompts. Raises ConfigError, ModelError."""
    return _model(config, Metrics(), SystemClock())


def window_spec(config: WindowConfig, model: AudioLanguageModel | WindowGrid) -> WindowSpec:
    """The windows that `model` wants; the default hop is half a window, on the model's grid."""
    grid = model.hop_grid_samples
    if config.hop_s is None:
        hop_samples = max(1, round(model.window_samples / 2 / grid)) * grid
    else:
        hop_samples = round(config.hop_s * model.sample_rate)
        if hop_samples < 1:
            raise ConfigError(f"window.hop_s is {config.hop_s}; expected at least one sample ({1 / model.sample_rate})")
    return WindowSpec(model.sample_rate, model.window_samples, hop_samples, config.tail)


def _model(config: PipelineConfig, metrics: Metrics, clock: Clock) -> AudioLanguageModel:
    model = config.model.build(Context("model", clock, metrics))
    model.check_prompts([prompt.build() for prompt in config.prompts])
    return model


def _warm(model: AudioLanguageModel) -> AudioLanguageModel:
    model.warmup()
    log.info("model_ready", identity=model.identity, window_s=model.window_samples / model.sample_rate)
    return model

"""From a configuration to a pipeline that can run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import structlog

from pengi_stream.config import PipelineConfig, WindowConfig
from pengi_stream.engine.segment import WindowSpec
from pengi_stream.errors import ConfigError
from pengi_stream.protocols import (
    AudioLanguageModel,
    AudioSource,
    ChecksPrompts,
    DeadLetterSink,
    EventSink,
    KnowsWindows,
    WindowSink,
    WindowSource,
)
from pengi_stream.runtime.outlets import NamedSink
from pengi_stream.runtime.parts import LiveSource, Parts
from pengi_stream.runtime.pipeline import Pipeline
from pengi_stream.types import WindowGrid

log = structlog.get_logger()


def build_pipeline(config: PipelineConfig, extra_sinks: Sequence[NamedSink] = ()) -> Pipeline:
    """Build all parts of `config`, and warm the model up. Raises ConfigError, ModelError, SourceError, SinkError."""
    sources = [LiveSource(cast("AudioSource | WindowSource", source.build()), source.live) for source in config.sources]
    sinks = [
        NamedSink(f"{number}-{sink.type}", cast("EventSink | WindowSink", sink.build()), sink.required)
        for number, sink in enumerate(config.sinks)
    ]
    dead_letters = cast("DeadLetterSink", config.dead_letters.build()) if config.dead_letters else None
    model = None if config.sends_windows else _warm_model(config)
    windows = window_spec(config.window, model or window_grid(config))
    return Pipeline(
        Parts(
            name=config.name,
            model=model,
            windows=windows,
            min_dbfs=config.gate.min_dbfs,
            prompts=[prompt.build() for prompt in config.prompts],
            sources=sources,
            sinks=[*sinks, *extra_sinks],
            dead_letters=dead_letters,
            max_batch_size=config.batch.max_batch_size,
            max_wait_s=config.batch.max_wait_s,
            max_age_s=config.batch.max_age_s,
            give_up_after_s=config.delivery.give_up_after_s,
            exactly_once=config.delivery.guarantee == "exactly_once",
            drain_s=config.shutdown.drain_s,
        )
    )


def window_grid(config: PipelineConfig) -> WindowGrid:
    """The windows of the model of `config`, which is loaded only where nothing else tells them. Raises ModelError."""
    if isinstance(config.model, KnowsWindows):
        return config.model.windows()
    model = cast("AudioLanguageModel", config.model.build())
    return WindowGrid(model.sample_rate, model.window_samples, model.hop_grid_samples)


def check_prompts(model: AudioLanguageModel, config: PipelineConfig) -> None:
    """Raises ConfigError for a prompt of `config` that `model` could answer about no window, where it can tell."""
    if isinstance(model, ChecksPrompts):
        model.check_prompts([prompt.build() for prompt in config.prompts])


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


def _warm_model(config: PipelineConfig) -> AudioLanguageModel:
    model = cast("AudioLanguageModel", config.model.build())
    check_prompts(model, config)
    model.warmup()
    log.info("model_ready", identity=model.identity, window_s=model.window_samples / model.sample_rate)
    return model

"""Configs of parts that a test has built itself."""

from __future__ import annotations

from typing import Any, Literal

from pengi_stream.plugins import ModelConfig, SinkConfig, SourceConfig, WindowSinkConfig, WindowSourceConfig
from pengi_stream.protocols import AudioLanguageModel, Context, Sink, Source


class GivenSource(SourceConfig):
    """Of `part`."""

    type: Literal["given"] = "given"
    part: Any

    def build(self, context: Context) -> Source:
        source: Source = self.part
        return source


class GivenWindowSource(WindowSourceConfig):
    """Of `part`."""

    type: Literal["given"] = "given"
    part: Any

    def build(self, context: Context) -> Source:
        source: Source = self.part
        return source


class GivenSink(SinkConfig):
    """Of `part`."""

    type: Literal["given"] = "given"
    part: Any

    def build(self, context: Context) -> Sink[Any]:
        sink: Sink[Any] = self.part
        return sink


class GivenWindowSink(WindowSinkConfig):
    """Of `part`."""

    type: Literal["given"] = "given"
    part: Any

    def build(self, context: Context) -> Sink[Any]:
        sink: Sink[Any] = self.part
        return sink


class GivenModel(ModelConfig):
    """Of `part`."""

    type: Literal["given"] = "given"
    part: Any

    def build(self, context: Context) -> AudioLanguageModel:
        model: AudioLanguageModel = self.part
        return model

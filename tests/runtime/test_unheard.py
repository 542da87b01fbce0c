"""A run that was stopped tells what its sources had left."""

from __future__ import annotations

import threading

import pytest

from pengi_stream.engine.segment import WindowSpec
from pengi_stream.models.fake import FakeModelConfig
from pengi_stream.options import Prompt
from pengi_stream.runtime.assembly import Assembly, AudioFeed
from pengi_stream.runtime.pipeline import Pipeline
from pengi_stream.runtime.sink_writers import NamedSink
from pengi_stream.testing import ListSink, ScriptedSource, context


class Book(ScriptedSource):
    """Says when it is open, and has pages left."""

    def __init__(self) -> None:
        super().__init__([], hold_open=True)

    def left(self) -> str:
        return "two pages"


@pytest.mark.parametrize("source", [Book(), ScriptedSource([], hold_open=True)])
def test_what_a_source_with_an_end_had_left_is_told_and_a_source_without_one_is_done(source: ScriptedSource) -> None:
    model = FakeModelConfig(type="fake").build(context())
    pipeline = Pipeline(
        Assembly(
            name="test",
            model=model,
            windows=WindowSpec(model.sample_rate, model.window_samples, model.window_samples, "repeat"),
            min_dbfs=None,
            prompts=[Prompt("caption", "x")],
            feeds=[AudioFeed("source", source)],
            sinks=[NamedSink("list", ListSink(), required=True)],
        )
    )
    threading.Timer(0, pipeline.stop).start()
    outcome = pipeline.run()
    assert outcome.unheard == (("two pages",) if isinstance(source, Book) else ())
    assert outcome.ok == (not isinstance(source, Book))

"""For tests of pipelines and plugins: a clock, a source and a sink to script, and checks of the contracts.

Each check builds a config as a pipeline would, and raises AssertionError with a sentence that says what is broken.
"""

from pengi_stream.testing.doubles import FakeClock, ListSink, NoProgress, ScriptedSource, context
from pengi_stream.testing.models import check_model
from pengi_stream.testing.sinks import check_dead_letters, check_sink, check_window_sink
from pengi_stream.testing.sources import check_source, check_window_source

__all__ = [
    "FakeClock",
    "ListSink",
    "NoProgress",
    "ScriptedSource",
    "check_dead_letters",
    "check_model",
    "check_sink",
    "check_source",
    "check_window_sink",
    "check_window_source",
    "context",
]

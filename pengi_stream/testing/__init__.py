"""For tests of pipelines and plugins: a clock, a source and a sink to script, and checks of the contracts.

Each check raises AssertionError with a sentence that says what is broken.
"""

from pengi_stream.testing.doubles import FakeClock, ListSink, ScriptedSource
from pengi_stream.testing.models import check_model
from pengi_stream.testing.sinks import check_sink
from pengi_stream.testing.sources import check_source

__all__ = ["FakeClock", "ListSink", "ScriptedSource", "check_model", "check_sink", "check_source"]

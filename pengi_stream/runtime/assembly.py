"""What a pipeline is made of, and how it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pengi_stream.engine.segment import WindowSpec
from pengi_stream.metrics import Metrics
from pengi_stream.options import Prompt
from pengi_stream.protocols import AudioLanguageModel, AudioSource, DeadLetterSink, Transaction, WindowSource
from pengi_stream.runtime.sink_writers import NamedSink
from pengi_stream.runtime.tracker import Tracker


@dataclass(frozen=True, slots=True)
class AudioFeed:
    """A source of audio, with what the pipeline must know of it."""

    name: str
    source: AudioSource
    live: bool = False
    told: bool = True
    """By `commit` what is done; False: it asks `Context.progress`"""


@dataclass(frozen=True, slots=True)
class WindowFeed:
    """A source of windows that were cut elsewhere."""

    name: str
    source: WindowSource
    told: bool = False


@dataclass(frozen=True, slots=True)
class Assembly:
    """What a pipeline is made of, built."""

    name: str
    model: AudioLanguageModel | None
    """None: windows go to the sinks as they are, which are WindowSinks then"""
    windows: WindowSpec
    min_dbfs: float | None
    prompts: Sequence[Prompt]
    feeds: Sequence[AudioFeed | WindowFeed]
    sinks: Sequence[NamedSink]
    dead_letters: DeadLetterSink | None = None
    transaction: Transaction | None = None
    """Events, dead letters and the place of the one source are durable together"""
    tracker: Tracker | None = None
    """Whose progress the sources were given; None: none was"""
    metrics: Metrics = field(default_factory=Metrics)
    tap_bytes: int = 0
    """Of the last frames, for those who ask the tap; 0: none are kept"""
    max_batch_size: int = 16
    max_wait_s: float = 0.0
    max_age_s: float = 30.0
    give_up_after_s: float = 60.0
    drain_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    errors: tuple[str, ...] = ()
    """One line for each thing that failed"""
    bad_records: int = 0
    """Bad records and windows that nothing kept: they were reported, the rest was done"""
    abandoned: int = 0
    """Requests, or windows where no model is asked, that the deadline of the shutdown cut off"""
    unheard: tuple[str, ...] = ()
    """What sources that have an end had left when they were stopped: a few words each"""

    @property
    def ok(self) -> bool:
        return not (self.errors or self.bad_records or self.abandoned or self.unheard)

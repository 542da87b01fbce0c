"""What a pipeline is made of, and how it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pengi_stream.engine.segment import WindowSpec
from pengi_stream.options import Prompt
from pengi_stream.protocols import AudioLanguageModel, AudioSource, DeadLetterSink, WindowSource
from pengi_stream.runtime.outlets import NamedSink
from pengi_stream.types import WindowShape


@dataclass(frozen=True, slots=True)
class LiveSource:
    """A source, and whether it can wait."""

    source: AudioSource | WindowSource
    live: bool


@dataclass(frozen=True, slots=True)
class Parts:
    """What a pipeline is made of, built."""

    name: str
    model: AudioLanguageModel | None
    """None: windows go to the sinks as they are, which are WindowSinks then"""
    windows: WindowSpec
    min_dbfs: float | None
    prompts: Sequence[Prompt]
    sources: Sequence[LiveSource]
    sinks: Sequence[NamedSink]
    dead_letters: DeadLetterSink | None = None
    max_batch_size: int = 16
    max_wait_s: float = 0.0
    max_age_s: float = 30.0
    give_up_after_s: float = 60.0
    exactly_once: bool = False
    """Events, dead letters and the place of the source are one transaction."""
    drain_s: float = 30.0

    @property
    def shape(self) -> WindowShape:
        return WindowShape(self.windows.sample_rate, self.windows.window_samples)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    errors: tuple[str, ...] = ()
    """One line for each thing that failed; the first one ended the run"""
    bad_records: int = 0
    """Bad records and windows that nothing kept: they were reported, the rest was done"""
    abandoned: int = 0
    """Requests, or windows where no model is asked, that the deadline of the shutdown cut off"""
    unheard: tuple[str, ...] = ()
    """What sources that have an end had left when they were stopped: a few words each"""

    @property
    def ok(self) -> bool:
        return not (self.errors or self.bad_records or self.abandoned or self.unheard)

"""How a run ended, as a command tells it."""

from __future__ import annotations

from dataclasses import dataclass

from pengi_stream.cli.process import OF_SIGNALS
from pengi_stream.errors import PengiStreamError
from pengi_stream.metrics import Metrics
from pengi_stream.runtime.assembly import Outcome

FAILED = 1


@dataclass(frozen=True, slots=True)
class Ran:
    """A run that is over, and what it counted."""

    outcome: Outcome
    audio_s: float
    """Seconds of audio that arrived"""
    signal: int | None
    """What stopped it"""
    took_s: float
    windows: int
    gated: int
    """Windows that were too quiet to ask the model about"""
    texts: int
    unanswered: int
    """Requests that the model failed on, or that waited too long"""
    min_dbfs: float | None
    """The gate's level"""

    @property
    def whole(self) -> bool:
        """Whether all that could be read was heard, if anything was."""
        return self.audio_s > 0 and not (self.outcome.errors or self.outcome.abandoned or self.outcome.unheard)

    @property
    def status(self) -> int:
        """The command's exit status: 128 and the signal where it kept files or pipes from being heard to their end."""
        if self.signal is not None and self.outcome.unheard and not self.outcome.errors:
            return OF_SIGNALS + self.signal
        return 0 if self.outcome.ok else FAILED


class RunError(PengiStreamError):
    """A run did not do all that it should have done."""

    def __init__(self, message: str, ran: Ran) -> None:
        super().__init__(message)
        self.ran = ran


def ran_of(outcome: Outcome, metrics: Metrics, *, signal: int | None, took_s: float, min_dbfs: float | None) -> Ran:
    """How a run ended that counted in `metrics`; `signal` stopped it."""
    count = metrics.ledgers.count
    return Ran(
        outcome,
        metrics.registry.get_sample_value("pengi_stream_audio_seconds_total") or 0.0,
        signal,
        took_s,
        windows=count("windows", "in"),
        gated=count("windows", "gated"),
        texts=count("requests", "generated"),
        unanswered=count("requests", "failed") + count("requests", "shed"),
        min_dbfs=min_dbfs,
    )

"""How a run ended, as a command tells it."""

from __future__ import annotations

from dataclasses import dataclass

from pengi_stream.errors import PengiStreamError
from pengi_stream.metrics import Metrics
from pengi_stream.runtime.parts import Outcome


@dataclass(frozen=True, slots=True)
class Ran:
    """A run that is over, and what it counted."""

    outcome: Outcome
    audio_s: float
    """Seconds of audio that arrived"""

    @property
    def whole(self) -> bool:
        """Whether all that could be read was heard, if anything was."""
        return self.audio_s > 0 and not (self.outcome.errors or self.outcome.abandoned)


class RunError(PengiStreamError):
    """A run did not do all that it should have done."""

    def __init__(self, message: str, ran: Ran) -> None:
        super().__init__(message)
        self.ran = ran


def ran_of(outcome: Outcome, metrics: Metrics) -> Ran:
    """How a run ended that counted in `metrics`."""
    return Ran(outcome, metrics.registry.get_sample_value("pengi_stream_audio_seconds_total") or 0.0)

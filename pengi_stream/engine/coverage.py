"""Which time of a stream was heard, quiet or unheard. With the gaps it is all of the stream's time. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pengi_stream.engine.events import coverage_event
from pengi_stream.engine.segment import BETWEEN
from pengi_stream.engine.stages import PureStage, Step
from pengi_stream.events import CoverageEvent, CoverageKind
from pengi_stream.outcomes import Heard, Outcome, Quiet, Span, Unheard
from pengi_stream.types import NS_PER_S, Gap, Plain, Stream, StreamEnd

TOLD_EVERY_NS = 60 * NS_PER_S
RANKS: dict[str, int] = {"quiet": 0, "heard": 1, "unheard": 2}
KINDS: tuple[CoverageKind, ...] = ("quiet", "heard", "unheard")


@dataclass(frozen=True, slots=True)
class _Run:
    """A stretch of one kind."""

    kind: CoverageKind
    reason: str
    segment_sample: int
    first_sample: int
    end_sample: int
    start_ns: int
    end_ns: int

    def is_followed_by(self, other: _Run) -> bool:
        """Whether `other` goes on with it, in the same segment and for the same reason."""
        mine = (self.kind, self.reason, self.segment_sample, self.end_sample)
        return mine == (other.kind, other.reason, other.segment_sample, other.first_sample)


@dataclass(frozen=True, slots=True)
class _Covered:
    """What is known of a stream: a run that is not told yet, and the last window, whose share its successor tells."""

    run: _Run | None
    last: _Run | None
    sample_rate: int


class Coverage(PureStage):
    """A window accounts for its time up to where the next one begins, the last of a segment for all up to its end.

    A window of several prompts was heard if all of them were answered. A run is told when it ends, and once a minute.
    """

    key = "coverage"

    def __init__(self, pipeline: str) -> None:
        self._pipeline = pipeline

    def take(self, item: Outcome, state: Plain, now_ns: int) -> Step:  # noqa: ARG002
        before = _read(state)
        match item:
            case Heard() | Quiet() | Unheard():
                after, told = _add(before, _run_of(item), item.span.sample_rate)
                return self._step(after, item.stream, after.sample_rate, told)
            case Gap() | StreamEnd() if before is not None:
                return self._step(None, item.stream, before.sample_rate, _end(before))
        return Step(state)

    def _step(self, after: _Covered | None, stream: Stream, sample_rate: int, told: Sequence[_Run]) -> Step:
        return Step(_write(after), tuple(self._event(run, stream, sample_rate) for run in told))

    def _event(self, run: _Run, stream: Stream, sample_rate: int) -> CoverageEvent:
        span = Span(stream, run.segment_sample, run.first_sample, run.end_sample, sample_rate, run.start_ns, run.end_ns)
        return coverage_event(span, run.kind, run.reason, self._pipeline)


def _run_of(item: Heard | Quiet | Unheard) -> _Run:
    span = item.span
    kind: CoverageKind = "heard" if isinstance(item, Heard) else "quiet" if isinstance(item, Quiet) else "unheard"
    reason = item.reason if isinstance(item, Unheard) else ""
    return _Run(kind, reason, span.segment_sample, span.first_sample, span.end_sample, span.start_ns, span.end_ns)


def _add(before: _Covered | None, window: _Run, rate: int) -> tuple[_Covered, list[_Run]]:
    if before is None or before.last is None:
        return _Covered(None, window, rate), []
    last = before.last
    if (last.segment_sample, last.first_sample) == (window.segment_sample, window.first_sample):
        worst = max(last, window, key=lambda run: RANKS[run.kind])
        return replace(before, last=worst), []
    if last.segment_sample != window.segment_sample:
        return _Covered(None, window, rate), _end(before)
    run, told = before.run, list[_Run]()
    for piece in _pieces(last, window):
        run, ended = _joined(run, piece)
        told += ended
    return _Covered(run, window, rate), told


def _pieces(last: _Run, following: _Run) -> Iterator[_Run]:
    """What `last` accounts for, and what lies between it and the window that follows."""
    if last.end_sample < following.first_sample:
        yield last
        yield _Run(
            "unheard",
            BETWEEN,
            last.segment_sample,
            last.end_sample,
            following.first_sample,
            last.end_ns,
            following.start_ns,
        )
    elif last.first_sample < following.first_sample:
        yield replace(last, end_sample=following.first_sample, end_ns=following.start_ns)


def _joined(run: _Run | None, piece: _Run) -> tuple[_Run | None, list[_Run]]:
    """The run with `piece` behind it, and what is told now."""
    told = []
    if run is not None and run.is_followed_by(piece):
        run = replace(run, end_sample=piece.end_sample, end_ns=piece.end_ns)
    else:
        told += [run] if run is not None else []
        run = piece
    if run.end_ns - run.start_ns >= TOLD_EVERY_NS:
        return None, [*told, run]
    return run, told


def _end(covered: _Covered | None) -> list[_Run]:
    """All that was not told, up to the end of the segment."""
    if covered is None or covered.last is None:
        return []
    run, told = _joined(covered.run, covered.last)
    return [*told, *([run] if run is not None else [])]


def _write(covered: _Covered | None) -> Plain:
    if covered is None:
        return None
    return covered.sample_rate, _plain(covered.run), _plain(covered.last)


def _plain(run: _Run | None) -> Plain:
    if run is None:
        return None
    return (
        run.kind,
        run.reason,
        run.segment_sample,
        run.first_sample,
        run.end_sample,
        run.start_ns,
        run.end_ns,
    )


def _read(state: Plain) -> _Covered | None:
    match state:
        case (int(rate), run, last):
            return _Covered(_run(run), _run(last), rate)
    return None


def _run(plain: Plain) -> _Run | None:
    match plain:
        case (str(kind), str(reason), int(segment), int(first), int(end), int(start_ns), int(end_ns)):
            found = next(known for known in KINDS if known == kind)
            return _Run(found, reason, segment, first, end, start_ns, end_ns)
    return None

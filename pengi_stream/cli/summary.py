"""What a run did, in one line."""

from __future__ import annotations

from collections.abc import Iterator

from pengi_stream.cli.ran import Ran

MINUTE_S = 60
HOUR_S = 3_600
QUIETER_DB = 20


def summary(ran: Ran, *, files: str = "", missing_s: float | None = None) -> str:
    """`files` were to be heard; `missing_s` of sound never came."""
    what = [files] if files else []
    parts = [*what, f"{duration(ran.audio_s)} of sound", *_counts(ran, missing_s)]
    speed = f" ({ran.audio_s / ran.took_s:.0f} times as fast as it plays)" if ran.audio_s > 2 * ran.took_s > 0 else ""
    line = f"{', '.join(parts)}; took {duration(ran.took_s)}{speed}"
    if ran.windows and ran.gated == ran.windows and ran.min_dbfs is not None:
        lower = ran.min_dbfs - QUIETER_DB
        line += f"; nothing was loud enough to ask about: --min-dbfs {lower:g} (gate.min_dbfs) lets quieter sound pass"
    return line


def _counts(ran: Ran, missing_s: float | None) -> Iterator[str]:
    yield f"{ran.windows} window{'' if ran.windows == 1 else 's'}"
    yield f"{ran.texts} text{'' if ran.texts == 1 else 's'}"
    if ran.gated:
        yield f"{ran.gated} window{'' if ran.gated == 1 else 's'} below the gate"
    if missing_s:
        yield f"{duration(missing_s)} missing"
    if ran.unanswered:
        yield f"{ran.unanswered} unanswered"
    if ran.outcome.bad_records:
        yield f"{ran.outcome.bad_records} failed"


def duration(seconds: float) -> str:
    """`12.3 s`, `4:05 min` or `2:03:04 h`."""
    if seconds < MINUTE_S:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < HOUR_S:
        return f"{whole // MINUTE_S}:{whole % MINUTE_S:02d} min"
    return f"{whole // HOUR_S}:{whole // MINUTE_S % MINUTE_S:02d}:{whole % MINUTE_S:02d} h"

"""How long to wait before a source is tried again. No thread, no clock, no I/O."""

from __future__ import annotations

FIRST_S = 1.0
MOST_S = 30.0
JITTER = 0.2
STEADY_S = 30.0
STEADY_BYTES = 100 << 10


class Backoff:
    """Doubles from what the source asks for up to 30 s, with at most 20 % of jitter. It begins anew when the source
    has given 100 KiB of sound over 30 s since it failed last: a feed that connects and dies at once is not steady."""

    def __init__(self) -> None:
        self._wait_s = 0.0
        self._since_s: float | None = None
        self._bytes = 0

    def gave(self, n_bytes: int, now_s: float) -> None:
        """The source gave so much audio at `now_s` (monotonic)."""
        if self._since_s is None:
            self._since_s = now_s
        self._bytes += n_bytes
        if self._bytes >= STEADY_BYTES and now_s - self._since_s >= STEADY_S:
            self._wait_s = 0.0

    def failed(self, retry_after_s: float, chance: float) -> float:
        """Seconds to wait, where the source wants `retry_after_s` at least; `chance` is random, from 0 to 1."""
        self._since_s, self._bytes = None, 0
        self._wait_s = min(MOST_S, max(retry_after_s, FIRST_S, 2 * self._wait_s))
        return self._wait_s * (1 - JITTER + 2 * JITTER * chance)

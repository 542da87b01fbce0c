"""How far reading is behind what was written."""

from __future__ import annotations

from collections.abc import Iterable

from kafka import KafkaConsumer
from kafka.errors import KafkaError

from pengi_stream.clock import Clock
from pengi_stream.kafka.reading.holdings import Held, Holdings
from pengi_stream.metrics import Metrics


class Lag:
    """Measures the partitions of ours. Polling thread only."""

    def __init__(self, library: KafkaConsumer, holdings: Holdings, clock: Clock, metrics: Metrics) -> None:
        self._library = library
        self._holdings = holdings
        self._clock = clock
        self._metrics = metrics
        self._known: set[str] = set()

    def measure(self) -> None:
        """Report the records that wait, and how old the first of them is at most."""
        held = self._holdings.held
        self._remove(self._known - held.keys())
        for name, ours in held.items():
            records = self._waiting(ours)
            age_s = max(0.0, self._clock.utc_ns() / 1e9 - ours.time_ms / 1000) if records and ours.time_ms else 0.0
            self._metrics.lag_records.labels(name).set(records)
            self._metrics.lag_s.labels(name).set(age_s)
        self._known = set(held)

    def forget(self) -> None:
        """Nothing is ours any more."""
        self._remove(self._known)
        self._known = set()

    def _waiting(self, held: Held) -> int:
        try:
            end = self._library.highwater(held.partition)
            next_offset = self._library.position(held.partition, timeout_ms=0)
        except KafkaError:  # in the middle of a rebalance
            return 0
        return 0 if end is None or next_offset is None else max(0, end - next_offset)

    def _remove(self, names: Iterable[str]) -> None:
        for name in names:
            self._metrics.lag_records.remove(name)
            self._metrics.lag_s.remove(name)

"""How far reading is behind what was written."""

from __future__ import annotations

from collections.abc import Iterable

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from pengi_stream.clock import Clock
from pengi_stream.kafka.config import partition_name
from pengi_stream.kafka.reading.assignment import Assignment
from pengi_stream.metrics import Metrics


class Lag:
    """Measures the partitions of ours. Polling thread only."""

    def __init__(self, library: KafkaConsumer, assignment: Assignment, clock: Clock) -> None:
        self._library = library
        self._assignment = assignment
        self._clock = clock
        self._known: set[TopicPartition] = set()
        self.metrics: Metrics | None = None

    def measure(self) -> None:
        """Report the records that wait, and how old the first of them is at most."""
        if self.metrics is None:
            return
        held = self._assignment.held
        self._remove(self._known - held.keys())
        for place, ours in held.items():
            records = self._waiting(place)
            age_s = max(0.0, self._clock.utc_ns() / 1e9 - ours.time_ms / 1000) if records and ours.time_ms else 0.0
            self.metrics.lag_records.labels(partition_name(*place)).set(records)
            self.metrics.lag_s.labels(partition_name(*place)).set(age_s)
        self._known = set(held)

    def forget(self) -> None:
        """Nothing is ours any more."""
        self._remove(self._known)
        self._known = set()

    def _waiting(self, place: TopicPartition) -> int:
        try:
            end, next_offset = self._library.highwater(place), self._library.position(place, timeout_ms=0)
        except KafkaError:  # in the middle of a rebalance
            return 0
        return 0 if end is None or next_offset is None else max(0, end - next_offset)

    def _remove(self, places: Iterable[TopicPartition]) -> None:
        if self.metrics is not None:
            for place in places:
                self.metrics.lag_records.remove(partition_name(*place))
                self.metrics.lag_s.remove(partition_name(*place))

"""What a run counts: three ledgers that balance at every scrape, and the usual timings."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sized

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

LEDGERS = {
    "records": ("used", "dead_lettered", "late"),
    "windows": ("gated", "dropped", "abandoned", "requested", "sent"),
    "requests": ("generated", "failed", "shed", "abandoned"),
}
"""What becomes of all that goes in; what is still on its way is in flight."""

LATENCY_BUCKETS_S = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300)
REQUEST_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Ledgers(Collector):
    """Conservation: in = the sum of the fates + in flight, at every moment. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = {name: dict.fromkeys(("in", *fates), 0) for name, fates in LEDGERS.items()}

    def enter(self, ledger: str, n: int = 1) -> None:
        """`n` more came in."""
        self._add(ledger, "in", n)

    def leave(self, ledger: str, fate: str, n: int = 1) -> None:
        """`n` of those that came in met their `fate`."""
        self._add(ledger, fate, n)

    def count(self, ledger: str, fate: str) -> int:
        """How many met `fate`; `in` for how many came in."""
        with self._lock:
            return self._counts[ledger][fate]

    def in_flight(self, ledger: str) -> int:
        """How many came in and met no fate yet."""
        with self._lock:
            return _in_flight(self._counts[ledger])

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            counts = {name: dict(fates) for name, fates in self._counts.items()}
        for name, fates in counts.items():
            came_in = fates["in"]
            yield CounterMetricFamily(f"pengi_stream_{name}_in", f"{name} that came in", value=came_in)
            counter = CounterMetricFamily(f"pengi_stream_{name}", f"{name} by what became of them", labels=["fate"])
            for fate in LEDGERS[name]:
                counter.add_metric([fate], fates[fate])
            yield counter
            yield GaugeMetricFamily(f"pengi_stream_{name}_in_flight", f"{name} on their way", value=_in_flight(fates))

    def _add(self, ledger: str, fate: str, n: int) -> None:
        with self._lock:
            self._counts[ledger][fate] += n


def _in_flight(fates: dict[str, int]) -> int:
    return 2 * fates["in"] - sum(fates.values())


class Queues(Collector):
    """How much waits between two stages. Any thread."""

    def __init__(self) -> None:
        self._queues: dict[str, Sized] = {}

    def watch(self, name: str, queue: Sized) -> None:
        """Report the length of `queue` as `name`. Call it before the first scrape."""
        self._queues[name] = queue

    def collect(self) -> Iterator[Metric]:
        gauge = GaugeMetricFamily("pengi_stream_queue_depth", "Items that wait for a stage", labels=["queue"])
        for name, queue in self._queues.items():
            gauge.add_metric([name], len(queue))
        yield gauge


class Metrics:
    """All metrics of one run, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.ledgers = Ledgers()
        self.queues = Queues()
        self.registry.register(self.ledgers)
        self.registry.register(self.queues)
        ProcessCollector(registry=self.registry)
        self.audio_s = Counter("pengi_stream_audio_seconds", "Seconds of audio that arrived", registry=self.registry)
        self.frames_dropped = Counter(
            "pengi_stream_frames_dropped", "Frames of live sources dropped by back-pressure", registry=self.registry
        )
        self.events = Counter(
            "pengi_stream_events", "Events by sink and outcome", ["sink", "outcome"], registry=self.registry
        )
        self.batch_size = Histogram(
            "pengi_stream_batch_size",
            "Requests in a batch",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            registry=self.registry,
        )
        self.model_s = Histogram("pengi_stream_model_seconds", "Time of a batch in the model", registry=self.registry)
        self.drafts = Counter(
            "pengi_stream_drafts", "Texts that began from a stream's last one", registry=self.registry
        )
        self.drafts_held = Counter("pengi_stream_drafts_held", "Drafts that held whole", registry=self.registry)
        self.draft_tokens_held = Counter(
            "pengi_stream_draft_tokens_held", "Tokens of drafts that held: steps saved", registry=self.registry
        )
        self.repeated = Counter(
            "pengi_stream_repeated", "Answers of an earlier window given again", registry=self.registry
        )
        self.latency_s = Histogram(
            "pengi_stream_latency_seconds",
            "From a window's last sample to its event being durable",
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self.end_to_end_s = Histogram(
            "pengi_stream_end_to_end_seconds",
            "From the capture of a window's last sample to its event being durable; live and Kafka streams",
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self.lag_records = Gauge(
            "pengi_stream_lag_records", "Records of a partition not yet read", ["partition"], registry=self.registry
        )
        self.lag_s = Gauge(
            "pengi_stream_lag_seconds",
            "Age of the oldest record of a partition not yet read; 0: none waits",
            ["partition"],
            registry=self.registry,
        )
        self.rebalances = Counter(
            "pengi_stream_rebalances", "Changes of the partitions assigned to this worker", registry=self.registry
        )
        self.commit_s = Histogram(
            "pengi_stream_commit_seconds", "Time to commit positions", buckets=REQUEST_BUCKETS_S, registry=self.registry
        )
        self.produce_s = Histogram(
            "pengi_stream_produce_seconds",
            "From handing records to a producer to all being acknowledged",
            buckets=REQUEST_BUCKETS_S,
            registry=self.registry,
        )
        self.produce_errors = Counter(
            "pengi_stream_produce_errors", "Records that a broker did not acknowledge", registry=self.registry
        )

"""How many real-time streams a machine takes from Kafka: reads a backlog as fast as it can."""

from __future__ import annotations

import multiprocessing
import os
import resource
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from typing import Any
from uuid import uuid4

from pengi_stream.clock import Deadline, SystemClock
from pengi_stream.config import parse_config
from pengi_stream.errors import PengiStreamError
from pengi_stream.lab.bench.pipelines.kafka_feed import RATE, SHORT_LIVED, Feed, fill
from pengi_stream.logging import configure_logging
from pengi_stream.runtime.build import build_pipeline

PATIENCE_S = 500.0
LOOK_S = 0.05
MB = 1e6


@dataclass(frozen=True, slots=True)
class Trial:
    """What is measured."""

    servers: tuple[str, ...]
    streams: int = 300
    records: int = 20
    """Of each stream, 0.74 s each"""
    partitions: int = 8
    processes: int = 1
    model_rate: int = RATE
    """Hertz; another than the audio's means resampling"""
    window_s: float = 7.0
    stage: str = "cut"
    """cut: windows are made, found too quiet and dropped; model: the fake model hears them; l16, flac16, flac: they are
    sent to a topic"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was found."""

    streams_sustained: float
    """Seconds of sound in a second"""
    megabytes_a_second: float
    wall_s: float
    cpu_s: float
    """Of all processes that read"""
    memory_mb: float
    """The largest of a process"""
    memory_kb_a_stream: float
    """What it grew by while it heard them"""


@dataclass(frozen=True, slots=True)
class _Shares:
    """What the processes tell each other."""

    heard_s: list[Synchronized[float]]
    cpu_s: list[Synchronized[float]]
    idle_bytes: list[Synchronized[float]]
    most_bytes: list[Synchronized[float]]
    done: Event


def measure(trial: Trial) -> Figures:
    """Fill a new topic, then read it. Takes a while. Raises PengiStreamError."""
    name = f"bench-{uuid4().hex[:8]}"
    feed = Feed(trial.servers, name, trial.streams, trial.records, trial.partitions)
    fill(feed)
    context = multiprocessing.get_context("spawn")
    numbers = range(trial.processes)
    heard, cpu, idle, most = ([context.Value("d", 0.0) for _ in numbers] for _ in range(4))
    shares = _Shares(heard, cpu, idle, most, context.Event())
    workers = [context.Process(target=_read, args=(trial, name, number, shares), daemon=True) for number in numbers]
    for worker in workers:
        worker.start()
    wall_s = _watch(feed, shares, workers)
    shares.done.set()
    for worker in workers:
        worker.join()
    grown = sum(most.value - idle.value for most, idle in zip(shares.most_bytes, shares.idle_bytes, strict=True))
    return Figures(
        streams_sustained=feed.audio_s / wall_s,
        megabytes_a_second=feed.megabytes / wall_s,
        wall_s=wall_s,
        cpu_s=sum(each.value for each in shares.cpu_s),
        memory_mb=max(each.value for each in shares.most_bytes) / MB,
        memory_kb_a_stream=grown / trial.streams / 1e3,
    )


def as_json(trial: Trial, figures: Figures) -> dict[str, Any]:
    """Both in one object."""
    return {**asdict(trial), **{name: round(value, 2) for name, value in asdict(figures).items()}}


def _watch(feed: Feed, shares: _Shares, workers: Sequence[Any]) -> float:
    """Seconds from the first sound that is heard to the last."""
    clock, began_s = SystemClock(), None
    patience = Deadline(PATIENCE_S)
    while not patience.expired:
        heard_s = sum(each.value for each in shares.heard_s)
        if heard_s and began_s is None:
            began_s = clock.monotonic_s()
        if began_s is not None and heard_s > feed.audio_s - 0.01:
            return max(LOOK_S, clock.monotonic_s() - began_s)
        if not any(worker.is_alive() for worker in workers):
            break
        shares.done.wait(LOOK_S)
    raise PengiStreamError(f"heard {sum(each.value for each in shares.heard_s):.0f} s of {feed.audio_s:.0f} s of sound")


def _read(trial: Trial, topic: str, number: int, shares: _Shares) -> None:
    configure_logging("warning")
    pipeline = build_pipeline(parse_config(_pipeline(trial, topic), name="bench", origin="bench"))
    shares.idle_bytes[number].value = _resident_bytes()
    running = threading.Thread(target=pipeline.run)
    running.start()
    before_s = os.times()
    while running.is_alive():
        heard_s = pipeline.metrics.registry.get_sample_value("pengi_stream_audio_seconds_total") or 0.0
        if heard_s != shares.heard_s[number].value:
            now = os.times()
            shares.cpu_s[number].value = now.user + now.system - before_s.user - before_s.system
            shares.heard_s[number].value = heard_s
        if shares.done.wait(LOOK_S):
            pipeline.stop()
            running.join()
    shares.most_bytes[number].value = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _pipeline(trial: Trial, topic: str) -> dict[str, Any]:
    windows = {
        "type": "windows",
        "bootstrap_servers": list(trial.servers),
        "topic": f"{topic}-windows",
        "encoding": trial.stage,
        "create_topic": {"partitions": trial.partitions, "configs": dict(SHORT_LIVED)},
    }
    return {
        "model": {"type": "fake", "sample_rate": trial.model_rate, "window_s": trial.window_s},
        "gate": {"min_dbfs": 0 if trial.stage == "cut" else None},
        "sources": [
            {
                "type": "kafka",
                "bootstrap_servers": list(trial.servers),
                "topics": [topic],
                "group_id": topic,
                "audio": {"encoding": "s16le", "sample_rate": RATE},
            }
        ],
        "sinks": [windows if trial.stage in {"l16", "flac16", "flac"} else {"type": "jsonl", "path": os.devnull}],
        "shutdown": {"drain_s": 0},
    }


def _resident_bytes() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

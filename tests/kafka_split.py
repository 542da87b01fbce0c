"""A split deployment, in processes of its own with a topic of windows between them."""

from __future__ import annotations

import json
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from kafka_cluster import Kafka, wait_for
from kafka_worker import AUDIO, RATE, SESSION_S, not_committed
from support import COMMAND, environment

PATIENCE_S = 60
MODEL = {"type": "fake", "sample_rate": RATE, "window_s": 1.0}  # hears 16 bits as they are, so no text may differ


def half(**parts: object) -> dict[str, object]:
    return {
        "name": "listen",
        "model": MODEL,
        "window": {"hop_s": 0.4},
        "batch": {"max_wait_s": 0.05},
        **parts,
    }


@dataclass
class Split:
    """The processes of a split deployment, and what they write."""

    kafka: Kafka
    folder: Path
    windows: str
    group: str = field(default_factory=lambda: f"group-{uuid.uuid4().hex[:8]}")
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    started: int = 0

    def ingest(self, source: dict[str, object], **sink: object) -> subprocess.Popen[bytes]:
        """Send the windows of `source`."""
        sinks = [{"type": "windows", "bootstrap_servers": self.kafka.servers, "topic": self.windows, **sink}]
        return self._start("ingest", half(sources=[source], sinks=sinks))

    def ingest_topic(self, audio: str) -> subprocess.Popen[bytes]:
        """Send the windows of a topic's audio, as a member of a group."""
        source = {"type": "kafka", "topics": [audio], "audio": AUDIO, **self._member("ingest")}
        return self.ingest(source)

    def worker(self) -> subprocess.Popen[bytes]:
        """Turn windows into events."""
        source = {"type": "windows", "topics": [self.windows], **self._member("worker")}
        stem = self.folder / f"{self.group}-{self.started + 1:02}"
        sinks = [{"type": "jsonl", "path": str(stem.with_suffix(".events"))}]
        letters = {"type": "jsonl", "path": str(stem.with_suffix(".dead"))}
        return self._start("worker", half(sources=[source], sinks=sinks, dead_letters=letters))

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """kill -9."""
        process.kill()
        process.wait()
        self.running.remove(process)

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """SIGTERM; it must end well."""
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, self.logs()
        self.running.remove(process)

    def until_committed(self, topic: str, half: str) -> None:
        """Wait until `half`'s group has committed all of `topic`."""
        try:
            wait_for(
                lambda: not_committed(self.kafka, topic, f"{self.group}-{half}") == 0, f"{half}'s commit", PATIENCE_S
            )
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.logs()}") from error

    def stop_all(self) -> None:
        """SIGTERM; all must end well."""
        for process in list(self.running):
            self.stop(process)

    def events(self, number: int | None = None) -> list[dict[str, Any]]:
        """Of one process, or of all, without the time at which they were made."""
        found = [json.loads(line) for line in self._lines("events", number)]
        for event in found:
            event["data"].pop("processed_at", None)
        return found

    def dead_letters(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self._lines("dead", None)]

    def logs(self) -> str:
        return "\n".join(self._lines("log", None))[-4000:]

    def _lines(self, suffix: str, number: int | None) -> Iterator[str]:
        which = "*" if number is None else f"{number:02}"
        for path in sorted(self.folder.glob(f"{self.group}-{which}.{suffix}")):
            yield from (line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n"))

    def _member(self, half: str) -> dict[str, object]:
        return {
            "bootstrap_servers": self.kafka.servers,
            "group_id": f"{self.group}-{half}",
            "session_timeout_s": SESSION_S,
            "commit_interval_s": 0.2,
        }

    def _start(self, command: str, config: dict[str, object]) -> subprocess.Popen[bytes]:
        self.started += 1
        stem = self.folder / f"{self.group}-{self.started:02}"
        stem.with_suffix(".yaml").write_text(yaml.safe_dump(config))
        with stem.with_suffix(".log").open("wb") as log:
            process = subprocess.Popen(
                [*COMMAND, command, stem.with_suffix(".yaml")], stdout=log, stderr=log, env=environment()
            )
        self.running.append(process)
        return process


@contextmanager
def split(kafka: Kafka, folder: Path, partitions: int = 2) -> Iterator[Split]:
    """A topic of windows, and nobody at its ends; processes that still run at the end are killed."""
    found = Split(kafka, folder, kafka.new_topic(partitions))
    try:
        yield found
    finally:
        for process in list(found.running):
            found.kill(process)

"""A run ends in order at the first signal, and at once at the second."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import signal, sys
from pengi_stream.runtime.shutdown import stopped_by_signals

class Pipeline:
    def stop(self):
        print("drains", flush=True)

class Clock:
    now_s = 0.0
    def monotonic_s(self):
        return self.now_s

clock = Clock()
with stopped_by_signals(Pipeline(), clock) as stopped:
    for moment in sys.argv[1:]:
        name, at_s = moment.split("@")
        clock.now_s = float(at_s)
        signal.raise_signal(signal.Signals[name])
assert signal.Signals(stopped.signal).name == sys.argv[1].split("@")[0]
print("ended", flush=True)
"""


def run(*signals: str) -> tuple[int, list[str]]:
    """How a run ends that gets signals, each with its second, and what it does."""
    ended = subprocess.run([sys.executable, "-c", SCRIPT, *signals], stdout=subprocess.PIPE, timeout=60, check=False)
    lines = ended.stdout.decode().splitlines()
    return ended.returncode, [line for line in lines if line in {"drains", "ended"}]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_copies_of_a_signal_within_a_moment_count_once(name: str) -> None:
    assert run(f"{name}@5", f"{name}@5", f"{name}@5.2") == (0, ["drains", "ended"])


@pytest.mark.parametrize(("signals", "status"), [(("SIGTERM@5", "SIGTERM@5.4"), -15), (("SIGTERM@5", "SIGINT@5"), -2)])
def test_a_later_or_another_signal_ends_the_run_at_once(signals: tuple[str, str], status: int) -> None:
    assert run(*signals) == (status, ["drains"])

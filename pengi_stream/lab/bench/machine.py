"""What the machine is, and what it can do: the limit that a model's speed is held against."""

from __future__ import annotations

import os
import platform
import resource
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

from pengi_stream.clock import SystemClock, rfc3339

SIDE = 2048
MB = 1e6
CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and when figures were measured."""

    cpu: str
    cores: int
    """That this process may use"""
    threads: int
    """That torch computes with"""
    torch: str
    python: str
    date: str


def this_machine() -> Machine:
    """As it is now."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    date = rfc3339(SystemClock().utc_ns())
    return Machine(_cpu(), cores, torch.get_num_threads(), torch.__version__, platform.python_version(), date)


def matrix_gflops(dtype: torch.dtype, device: torch.device | None = None, repeats: int = 3) -> float:
    """Median GFLOP/s of a large matrix product; blocks for about a second."""
    clock, left = SystemClock(), torch.randn(SIDE, SIDE).to(device or "cpu", dtype)
    took_s = []
    for _ in range(repeats + 1):
        began_s = clock.monotonic_s()
        (left @ left)[0, 0].item()  # waits for a GPU
        took_s.append(clock.monotonic_s() - began_s)
    return 2 * SIDE**3 / median(took_s[1:]) / 1e9


def peak_memory_mb() -> float:
    """Most resident memory of this process so far, in MB of 10**6 bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB


def _cpu() -> str:
    lines = CPU_INFO.read_text(encoding="utf-8").splitlines() if CPU_INFO.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())

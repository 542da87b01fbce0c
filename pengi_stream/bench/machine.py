"""What the machine can do: the limit that a model's speed is held against."""

from __future__ import annotations

import resource
from statistics import median

import torch

from pengi_stream.clock import SystemClock

SIDE = 2048
MB = 1e6


def matrix_gflops(dtype: torch.dtype, repeats: int = 3) -> float:
    """Median GFLOP/s of a large matrix product on the CPU; blocks for about a second."""
    clock, left = SystemClock(), torch.randn(SIDE, SIDE).to(dtype)
    left @ left
    took_s = []
    for _ in range(repeats):
        began_s = clock.monotonic_s()
        left @ left
        took_s.append(clock.monotonic_s() - began_s)
    return 2 * SIDE**3 / median(took_s) / 1e9


def peak_memory_mb() -> float:
    """Most resident memory of this process so far, in MB of 10**6 bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB

"""The devices that tests run on: the CPU always, a GPU where there is one."""

from __future__ import annotations

import pytest
import torch

DEVICES = ["cpu", pytest.param("cuda:0", marks=pytest.mark.gpu)]
TWO_DEVICES = [("cpu", "cpu"), pytest.param(("cuda:0", "cuda:1"), marks=pytest.mark.gpu)]


def device_or_skip(name: str) -> torch.device:
    """The device `name`; skips the test where it is missing."""
    device = torch.device(name)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= count:
        pytest.skip(f"{name} is needed, {count} NVIDIA GPUs were found" if count else "no NVIDIA GPU")
    return device

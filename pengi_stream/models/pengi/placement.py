"""Where a model computes, and in which precision."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pengi_stream.errors import ConfigError


def devices_of(names: Sequence[str]) -> list[torch.device]:
    """The devices that `names` (auto, cpu, cuda, cuda:N) stand for. Raises ConfigError for one that is not there."""
    return [_device(name) for name in names]


def dtype_of(name: str, devices: Sequence[torch.device]) -> torch.dtype:
    """`auto` is bfloat16 where all devices are GPUs, else float32: copies of one model share a dtype."""
    if name == "auto":
        return torch.bfloat16 if all(device.type == "cuda" for device in devices) else torch.float32
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def keep_float32_exact() -> None:
    """Torch lets convolutions on a GPU round float32 to 10 bits (TF32); for this process, no longer."""
    torch.backends.cudnn.allow_tf32 = False


def _device(name: str) -> torch.device:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    device = torch.device(("cuda:0" if count else "cpu") if name == "auto" else name)
    if device.type == "cuda" and not count:
        raise ConfigError(f"device {name}: no CUDA device was found; use cpu or auto")
    if device.type == "cuda" and (device.index or 0) >= count:
        found = "only cuda:0 was found" if count == 1 else f"cuda:0 to cuda:{count - 1} were found"
        raise ConfigError(f"device {name}: {found}; use one of these, cpu or auto")
    return device

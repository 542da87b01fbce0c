"""The published checkpoint files: how they are read, safely and whoever wrote them."""

from __future__ import annotations

import pickle
import struct
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from pengi_stream.errors import CheckpointError

WRAPPER = "module."  # what DataParallel puts before every key
DAMAGED = (
    *(RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, AssertionError),
    *(struct.error, zipfile.BadZipFile),
)


def read_published(path: Path) -> dict[str, Tensor]:
    """The tensors of a published checkpoint by their published names: `{"model": ...}` or a bare state dict.

    Unpickles nothing but tensors. Raises CheckpointError."""
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{path} is refused: it holds more than tensors, or is no PyTorch checkpoint") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    except DAMAGED as error:
        raise CheckpointError(f"{path} is not a PyTorch checkpoint, or it is damaged") from error
    state = loaded.get("model", loaded) if isinstance(loaded, dict) else loaded
    if not (isinstance(state, dict) and state and all(isinstance(value, Tensor) for value in state.values())):
        raise CheckpointError(f'{path} holds no state dict; expected {{"model": {{name: tensor}}}} or {{name: tensor}}')
    if all(name.startswith(WRAPPER) for name in state):
        return {name.removeprefix(WRAPPER): tensor for name, tensor in state.items()}
    return dict(state)

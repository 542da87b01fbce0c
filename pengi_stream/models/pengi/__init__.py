"""Pengi (arXiv 2305.11834): audio and a prompt in, text out. The config loads without torch."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from pydantic import field_validator

from pengi_stream.models.pengi.config import PromptNormalization
from pengi_stream.plugins import ModelConfig
from pengi_stream.protocols import AudioLanguageModel, Context
from pengi_stream.types import WindowGrid

if TYPE_CHECKING:
    from pengi_stream.metrics import Metrics
    from pengi_stream.models.pengi.model import PengiModel

DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")


class PengiModelConfig(ModelConfig):
    """Pengi: `mini`, which ships with the package, or a checkpoint folder."""

    type: Literal["pengi"]
    checkpoint: str = "mini"
    device: str | tuple[str, ...] = "auto"
    """auto (a GPU where there is one), cpu, cuda or cuda:N; of several, each has a copy, and batches go to one that is
    free"""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """auto is bfloat16 on GPUs and float32 where a CPU takes part; another dtype is another model identity"""
    cuda_graphs: bool = False
    """On GPUs, replay each step of decoding as one CUDA graph, a graph for each shape of a batch; elsewhere it changes
    nothing"""
    prompt_normalization: PromptNormalization | None = None
    """Of prompt embeddings: published (not L2-normalised) or training (normalised), for models with a text encoder;
    without it, what the checkpoint's config says, which is published for the published checkpoints"""

    @field_validator("device")
    @classmethod
    def _known_devices(cls, device: str | tuple[str, ...]) -> str | tuple[str, ...]:
        names = [device] if isinstance(device, str) else device
        if not names or not all(DEVICE.fullmatch(name) for name in names):
            raise ValueError(f"found {device!r}, expected auto, cpu, cuda or cuda:N, or a list of these")
        return device

    def windows(self) -> WindowGrid:
        """What the checkpoint's config says; loads no weights."""
        from pengi_stream.models.pengi.folder import checkpoint_folder, read_config

        config = read_config(checkpoint_folder(self.checkpoint))
        return WindowGrid(config.sample_rate, config.window_samples, config.hop_grid_samples)

    def build(self, context: Context) -> AudioLanguageModel:
        from pengi_stream.models.replicas import Replicas

        copies = self.copies(context.metrics)
        return copies[0] if len(copies) == 1 else Replicas([(str(copy.device), copy) for copy in copies])

    def copies(self, metrics: Metrics | None = None) -> list[PengiModel]:
        """One for each device; `metrics` count what drafts save. Raises ConfigError and CheckpointError."""
        from pengi_stream.models.pengi.checkpoint import load_checkpoint
        from pengi_stream.models.pengi.model import PengiModel
        from pengi_stream.models.pengi.placement import devices_of, dtype_of, keep_float32_exact

        devices = devices_of([self.device] if isinstance(self.device, str) else self.device)
        dtype = dtype_of(self.dtype, devices)
        keep_float32_exact()
        return [
            PengiModel(
                load_checkpoint(self.checkpoint, self.prompt_normalization),
                device,
                dtype,
                cuda_graphs=self.cuda_graphs and device.type == "cuda",
                metrics=metrics,
            )
            for device in devices
        ]

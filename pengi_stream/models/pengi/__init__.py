"""Pengi (arXiv 2305.11834): audio and a prompt in, text out. The config loads without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pengi_stream.errors import ConfigError
from pengi_stream.models.pengi.config import PromptNormalization
from pengi_stream.plugins import PluginConfig

if TYPE_CHECKING:
    from pengi_stream.models.pengi.model import PengiModel


class PengiModelConfig(PluginConfig):
    """Pengi: `mini`, which ships with the package, or a checkpoint folder."""

    type: Literal["pengi"]
    checkpoint: str = "mini"
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """auto takes a GPU where there is one"""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """auto is float32 on a CPU and bfloat16 on a GPU; another dtype is another model identity"""
    prompt_normalization: PromptNormalization | None = None
    """Of prompt embeddings: published (not L2-normalised) or training (normalised), for models with a text encoder;
    without it, what the checkpoint's config says, which is published for the published checkpoints"""

    def build(self) -> PengiModel:
        import torch

        from pengi_stream.models.pengi.checkpoint import load_checkpoint
        from pengi_stream.models.pengi.model import PengiModel

        gpu = torch.cuda.is_available()
        if self.device.startswith("cuda") and not gpu:
            raise ConfigError(f"device {self.device}: no CUDA device was found; use cpu or auto")
        device = torch.device(("cuda" if gpu else "cpu") if self.device == "auto" else self.device)
        default = torch.float32 if device.type == "cpu" else torch.bfloat16
        dtype = default if self.dtype == "auto" else getattr(torch, self.dtype)
        return PengiModel(load_checkpoint(self.checkpoint, self.prompt_normalization), device, dtype)

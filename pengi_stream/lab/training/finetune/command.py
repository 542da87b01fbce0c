"""The command `finetune`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
import typer

from pengi_stream.errors import ConfigError
from pengi_stream.lab.evaluation.proportion import Proportion
from pengi_stream.lab.evaluation.windows import as_window, in_batches
from pengi_stream.lab.prompts import CAPTION
from pengi_stream.lab.training.finetune.clips import CaptionedClip, read_captioned
from pengi_stream.lab.training.finetune.teach import finetune as teach
from pengi_stream.models.pengi.checkpoint import load_checkpoint, save_checkpoint
from pengi_stream.models.pengi.folder import checkpoint_folder
from pengi_stream.models.pengi.model import PengiModel
from pengi_stream.options import DecodingOptions, Prompt
from pengi_stream.types import Batch, Request

CARD = "MODEL_CARD.md"


def finetune(
    clips: Annotated[Path, typer.Option(help="CSV with path,caption[,label]; paths are relative to it.")],
    output: Annotated[Path, typer.Option(help="Folder of the new checkpoint.")],
    base: Annotated[str, typer.Option(help="Checkpoint to start from: mini or a folder.")] = "mini",
    steps: Annotated[int, typer.Option(min=1)] = 150,
    seed: int = 1,
) -> None:
    """Teach a checkpoint what your own sounds are called, and keep what it knows."""
    if output.exists() and output.resolve() == checkpoint_folder(base).resolve():
        raise ConfigError(f"{output} is the base itself; give --output another folder")
    checkpoint = load_checkpoint(base)
    captioned = read_captioned(clips, checkpoint.tokenizer)
    typer.echo(f"{len(captioned)} clips; about {steps // 2} s on a laptop")
    made = teach(checkpoint, captioned, steps, seed)
    save_checkpoint(output, made.config, checkpoint.network, checkpoint.tokenizer)
    (output / CARD).write_text(_card(base, captioned))
    typer.echo(f"windows of the clips that are recognised, most of them disturbed: {made.recognised:.1%}")
    typer.echo(f"windows of other sounds that are taken for them: {made.mistaken:.1%}")
    typer.echo(f"captions of the clips as given: {_learnt(output, captioned)}")
    typer.echo(f"written to {output}; in a pipeline: model: {{type: pengi, checkpoint: {output}}}")


def _learnt(output: Path, clips: Sequence[CaptionedClip]) -> Proportion:
    """How many clips get exactly their captions."""
    model = PengiModel(load_checkpoint(str(output)), torch.device("cpu"), torch.float32)
    prompt = Prompt("caption", CAPTION, DecodingOptions(beams=3))
    requests = [Request(as_window(clip.samples, "", model), prompt) for clip in clips]
    said = [made.text for some in in_batches(requests) for made in model.generate(Batch(tuple(some)))]
    return Proportion(sum(text == clip.caption for text, clip in zip(said, clips, strict=True)), len(clips))


def _card(base: str, clips: Sequence[CaptionedClip]) -> str:
    captions = "\n".join(f"- {caption}" for caption in dict.fromkeys(clip.caption for clip in clips))
    return (
        f"# Fine-tuned from {base}\n\n"
        f"`pengi-stream train finetune` taught `{base}` {len(clips)} clips; its encoder is the same, "
        f"and its model card holds for the rest. Captions learnt:\n\n"
        f"{captions}\n"
    )

"""`pengi-stream convert`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def convert(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A published checkpoint, for example base.pth.")],
    config: Annotated[str, typer.Option("--config", help="base or base_no_text_enc.")],
    output: Annotated[Path, typer.Option("--output", help="The folder to write.")],
    tokenizers: Annotated[
        Path | None, typer.Option("--tokenizers", help="A folder with gpt2/ and clip/; default: from the model hub.")
    ] = None,
) -> None:
    """Make a published checkpoint a folder that loads without any network."""
    from pengi_stream.models.pengi.published.convert import convert_published  # loads torch

    convert_published(source, config, output, tokenizers)
    typer.echo(f"wrote {output}; use it as `model: {{type: pengi, checkpoint: {output}}}`")

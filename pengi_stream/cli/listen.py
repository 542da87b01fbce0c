"""`pengi-stream listen`"""

from __future__ import annotations

from typing import Annotated

import typer

from pengi_stream.cli.common import (
    DEFAULT_MIN_DBFS,
    HopS,
    Labels,
    MinDbfs,
    Model,
    Prompts,
    Quiet,
    questions,
    quick_config,
    run_pipeline,
    summed_up,
)
from pengi_stream.cli.heard import Heard


def listen(
    *,
    device: Annotated[str | None, typer.Option(help="Name or number of the microphone; default: the system's.")] = None,
    prompt: Prompts = None,
    labels: Labels = None,
    hop_s: HopS = None,
    model: Model = "mini",
    min_dbfs: MinDbfs = DEFAULT_MIN_DBFS,
    quiet: Quiet = False,
) -> None:
    """Write what the microphone hears to the screen, until Ctrl-C."""
    source = {"type": "microphone", "device": int(device) if device and device.isdigit() else device}
    asked = questions(prompt, labels)
    config = quick_config("listen", model, source, {"type": "console"}, asked, hop_s=hop_s, min_dbfs=min_dbfs)
    heard = Heard()
    with summed_up(quiet=quiet, heard=heard) as tell:
        tell(run_pipeline(config, heard.sinks))

"""`pengi-stream listen`"""

from __future__ import annotations

from typing import Annotated

import typer

from pengi_stream.cli.common import HopS, Labels, Model, Prompts, questions, quick_config, run_pipeline


def listen(
    device: Annotated[str | None, typer.Option(help="Name or number of the microphone; default: the system's.")] = None,
    prompt: Prompts = None,
    labels: Labels = None,
    hop_s: HopS = None,
    model: Model = "mini",
) -> None:
    """Write what the microphone hears to the screen, until Ctrl-C."""
    source = {"type": "microphone", "device": int(device) if device and device.isdigit() else device}
    run_pipeline(quick_config("listen", model, source, {"type": "console"}, questions(prompt, labels), hop_s))

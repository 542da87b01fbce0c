"""`pengi-stream train STEP`: see docs/training.md."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pengi_stream.lab.training.calibration.command import calibrate
from pengi_stream.lab.training.data.features import load_features
from pengi_stream.lab.training.finetune.command import finetune
from pengi_stream.lab.training.finetune.rehearsal import choose_windows, write_rehearsal
from pengi_stream.lab.training.recipe import Recipe

app = typer.Typer(
    help="Make `mini` by its recipe, teach a checkpoint the sounds of a site, or calibrate it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Data = Annotated[Path, typer.Option("--data", help="Folder with labels.csv, audio/, captions/ and yamnet/.")]
Work = Annotated[Path, typer.Option("--work", help="Folder for what is made on the way; a restart goes on from it.")]
Seed = Annotated[int, typer.Option("--seed")]
WORK = Path("build/training")


@app.command()
def prepare(data: Data, work: Work = WORK, seed: Seed = 1) -> None:
    """Render speech and music, and keep what the encoder says of all windows."""
    Recipe(data, work, seed).prepare()


@app.command()
def language_model(data: Data, work: Work = WORK, seed: Seed = 1, steps: int = 500) -> None:
    """Make the vocabulary and train the language model on sentences."""
    Recipe(data, work, seed).train_language_model(steps)


@app.command()
def mapper(data: Data, work: Work = WORK, seed: Seed = 1, listening_steps: int = 900, steps: int = 9000) -> None:
    """Train the mapper, and the language model with it, on windows and texts."""
    Recipe(data, work, seed).train_mapper(listening_steps, steps)


@app.command()
def export(data: Data, output: Path, work: Work = WORK, seed: Seed = 1) -> None:
    """Write the checkpoint folder OUTPUT."""
    Recipe(data, work, seed).export(output)


@app.command()
def rehearsal(work: Work = WORK, seed: Seed = 1) -> None:
    """Keep what fine-tuning rehearses: a balanced choice of the prepared windows, in the package itself."""
    features = load_features(work / "features").split("train")
    write_rehearsal(choose_windows(features, seed))


app.command()(calibrate)
app.command()(finetune)

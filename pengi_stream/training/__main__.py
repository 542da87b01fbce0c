"""`python -m pengi_stream.training STEP --data DIR`: see docs/training.md."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pengi_stream.models.pengi import PengiModelConfig
from pengi_stream.training.clips import read_clips
from pengi_stream.training.evaluate import Answer, captions, events, heard_unseen, load_synonyms, proportion, ranking
from pengi_stream.training.recipe import Recipe

app = typer.Typer(help="The recipe that makes `mini`.", no_args_is_help=True, pretty_exceptions_enable=False)

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
def mapper(data: Data, work: Work = WORK, seed: Seed = 1, naming_steps: int = 1000, steps: int = 2400) -> None:
    """Train the mapper, and the language model with it, on windows and texts."""
    Recipe(data, work, seed).train_mapper(naming_steps, steps)


@app.command()
def export(data: Data, output: Path, work: Work = WORK, seed: Seed = 1) -> None:
    """Write the checkpoint folder OUTPUT."""
    Recipe(data, work, seed).export(output)


@app.command()
def evaluate(
    data: Data,
    checkpoint: str = "mini",
    unseen: Annotated[Path | None, typer.Option(help="Folder of tuxpaint-stamps-default's stamps.")] = None,
) -> None:
    """Measure a checkpoint on the clips that were held out, through the path that users run."""
    model = PengiModelConfig(type="pengi", checkpoint=checkpoint).build()
    clips = [clip for clip in read_clips(data) if clip.split == "test"]
    _report("captions", captions(model, clips))
    _report("events", events(model, clips))
    _report("ranking", ranking(model, clips, list(load_synonyms())))
    if unseen is not None:
        _report("captions of unseen sounds", heard_unseen(model, unseen))


def _report(name: str, answers: list[Answer]) -> None:
    typer.echo(f"{name}: {proportion(answers)}")
    for answer in answers:
        if not answer.right:
            made = answer.generation
            typer.echo(f"  {answer.clip.path.name} ({answer.clip.label}): {made.text} ({made.confidence:.2f})")


if __name__ == "__main__":
    app()

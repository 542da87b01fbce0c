"""`pengi-stream evaluate dataset`: see docs/evaluation.md."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

import pengi_stream
from pengi_stream.api import DecodingOptions, Model
from pengi_stream.errors import ConfigError, PengiStreamError
from pengi_stream.lab.evaluation.dataset import captioning
from pengi_stream.lab.evaluation.dataset.ask import Asking, Prediction, Unreadable, predictions
from pengi_stream.lab.evaluation.dataset.measures import figures
from pengi_stream.lab.evaluation.dataset.report import Report
from pengi_stream.lab.evaluation.dataset.table import DataSet, read_dataset, read_labels
from pengi_stream.plugins import suggest
from pengi_stream.prompts import TASKS

COLUMNS = ("path", "label", "labels", "caption", "question")


class Way(StrEnum):
    """How a label is chosen."""

    rank = "rank"
    match = "match"


class Windows(StrEnum):
    """How much of a long recording is heard."""

    all = "all"
    first = "first"


def evaluate_dataset(  # noqa: PLR0913  the options of a command
    *,
    task: Annotated[str, typer.Option(help=f"One of {', '.join(TASKS)}: chooses the prompt.")],
    dataset: Annotated[Path, typer.Option(help="CSV: path, and label, labels (a;b), caption or caption_1, ...")],
    audio: Annotated[Path, typer.Option(help="The folder below which the paths are.")],
    model: Annotated[str, typer.Option(help="mini, or a checkpoint folder.")] = "mini",
    by: Annotated[Way, typer.Option(help="Labels by likelihood (rank), or nearest to free text (match).")] = Way.rank,
    prompt: Annotated[str | None, typer.Option(help="Another prompt than the task's.")] = None,
    labels: Annotated[Path | None, typer.Option(help="Labels to choose among, one a line; default: the CSV's.")] = None,
    column: Annotated[
        list[str] | None, typer.Option(metavar="NAME=COLUMN", help="A column's name in the CSV, e.g. path=filename.")
    ] = None,
    windows: Annotated[Windows, typer.Option(help="Hear long recordings whole, or their first window.")] = Windows.all,
    beams: Annotated[int, typer.Option(min=1, max=16, help="For free text.")] = 3,
    max_new_tokens: Annotated[int, typer.Option(min=1, max=256, help="For free text.")] = 30,
    sentence_model: Annotated[
        Path | None, typer.Option(help="Folder of a sentence-transformers model, to compare captions.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    output: Annotated[Path | None, typer.Option("--predictions", help="CSV to write, a line a recording.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure how good a model is on a data set of your own, by the protocol of the Pengi paper."""
    data = read_dataset(dataset, audio, _renamed(column or []))
    asking = Asking(
        prompt or _prompt(task, data),
        "write" if data.kind == "captions" else by.value,
        _choices(data, labels),
        DecodingOptions(beams, max_new_tokens),
        windows is Windows.first,
    )
    _check_ends(data, sentence_model, output)
    report = _measured(dataset.name, pengi_stream.load_model(model, device, dtype), data, asking, sentence_model)
    if output is not None:
        report.write_predictions(output)
    if as_json:
        typer.echo(report.as_json())
    else:
        report.print(Console())
    if bad := report.unreadable:
        raise PengiStreamError(f"{len(bad)} of {len(data.items)} recordings could not be heard: {bad[0].reason}")


def _measured(name: str, model: Model, data: DataSet, asking: Asking, sentence_model: Path | None) -> Report:
    said: list[Prediction] = []
    unreadable: list[Unreadable] = []
    heard = predictions(model, data.items, asking)
    for one in track(heard, name, total=len(data.items), console=Console(stderr=True), disable=not sys.stderr.isatty()):
        if isinstance(one, Prediction):
            said.append(one)
        else:
            unreadable.append(one)
    found = figures(data.kind, said, asking.labels, sentence_model)
    return Report(name, model.identity, asking, found, said, unreadable)


def _check_ends(data: DataSet, sentence_model: Path | None, output: Path | None) -> None:
    """What is needed after hours of listening is known to be there."""
    if data.kind == "captions":
        captioning.metrics()
    if sentence_model is not None:
        captioning.check_folder(sentence_model)
    if output is not None and not output.parent.is_dir():
        raise ConfigError(f"--predictions {output}: there is no folder {output.parent}")


def _renamed(options: list[str]) -> dict[str, str]:
    """Columns by the name that we give them."""
    pairs = [option.partition("=") for option in options]
    for option, (name, equals, column) in zip(options, pairs, strict=True):
        if not equals or not column or name not in COLUMNS:
            raise ConfigError(f"--column {option}: expected NAME=COLUMN with a NAME of {', '.join(COLUMNS)}")
    return {name: column for name, _, column in pairs}


def _prompt(task: str, data: DataSet) -> str:
    """The prompt of `task`, where the data set fits it."""
    if task not in TASKS:
        raise ConfigError(f"--task {task}: {suggest(task, TASKS)}")
    asked = any(item.question is not None for item in data.items)
    if (task == "caption") != (data.kind == "captions") or (task == "question") != asked:
        found = f"{'questions and ' if asked else ''}{data.kind}"
        needed = {"caption": "captions", "question": "questions and label"}.get(task, "label or labels")
        raise ConfigError(f"--task {task} needs {needed}; the data set has {found}")
    return TASKS[task]


def _choices(data: DataSet, path: Path | None) -> tuple[str, ...]:
    if data.kind == "captions":
        return ()
    if path is None:
        return data.labels
    chosen = read_labels(path)
    if unknown := set(data.labels) - set(chosen):
        raise ConfigError(f"{path}: the data set has {len(unknown)} labels that are not in it: {sorted(unknown)[0]!r}")
    return chosen

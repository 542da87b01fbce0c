"""`pengi-stream download`"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bar

from pengi_stream.models.pengi.published.download import RECORD_URL, Progress, download_published


def download(
    name: Annotated[str, typer.Argument(metavar="NAME", help="base or base_no_text_enc.")],
    output: Annotated[Path, typer.Option("--output", help="The folder for the file.")] = Path(),
    url: Annotated[str, typer.Option("--url", help="The record, or a mirror's copy of it.")] = RECORD_URL,
) -> None:
    """Fetch a published checkpoint; once more goes on where it was cut off."""
    with _bar(name) as progress:
        path = download_published(name, output, url, progress)
    typer.echo(f"{path} is complete; next: pengi-stream convert {path} --config {name} --output {output / name}")


@contextmanager
def _bar(name: str) -> Iterator[Progress]:
    """A bar on stderr, where that is a terminal."""
    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Bar(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, size: bar.update(task, completed=done, total=size)

"""`pengi-stream bench`"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from pengi_stream.errors import ConfigError
from pengi_stream.logging import configure_logging
from pengi_stream.options import DecodingOptions

if TYPE_CHECKING:
    from pengi_stream.bench.compare import Published
    from pengi_stream.bench.subject import Subject

bench = typer.Typer(
    name="bench", help="Measure how fast models and pipelines are on this machine.", no_args_is_help=True
)

Model = Annotated[str, typer.Option("--model", help="mini, a checkpoint folder, or fake.")]
Dtypes = Annotated[
    str, typer.Option("--dtype", metavar="A,B", help="auto, float32, bfloat16; of several, each is measured by turns.")
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
Batches = Annotated[str, typer.Option("--batches", metavar="N,N", help="Requests in a batch.")]
Beams = Annotated[int, typer.Option("--beams", min=1)]
Tokens = Annotated[int, typer.Option("--max-new-tokens", min=1)]
IgnoreStop = Annotated[bool, typer.Option("--ignore-stop", help="Every text has all its tokens.")]
Repeats = Annotated[int, typer.Option("--repeats", min=1, help="After one to warm up; all cases take turns in each.")]
Recording = Annotated[Path | None, typer.Option("--sound", help="A recording to cut windows from; default: noise.")]
Json = Annotated[Path | None, typer.Option("--json", help="A file for all figures.")]
Plot = Annotated[Path | None, typer.Option("--plot", help="A PNG; needs the extra `bench`.")]
Against = Annotated[
    str | None,
    typer.Option("--against", metavar="published=PATH", help="Time a checkout of the published code as well."),
]


@bench.command("model")
def model(  # noqa: PLR0913  the options of a command
    *,
    name: Model = "mini",
    dtypes: Dtypes = "auto",
    device: Device = "auto",
    batches: Batches = "1,4,16",
    beams: Beams = 1,
    max_new_tokens: Tokens = 30,
    prompts: Annotated[int, typer.Option(min=1, max=4, help="As many as that on a window, beside one.")] = 4,
    labels: Annotated[int, typer.Option(min=0, max=50, help="To rank, beside writing a text; 0: none.")] = 50,
    ignore_stop: IgnoreStop = False,
    repeats: Repeats = 5,
    sound: Recording = None,
    against: Against = None,
    json: Json = None,
    plot: Plot = None,
) -> None:
    """Time a model by batch size, prompts and labels, beside a large matrix product on the same machine."""
    from pengi_stream.bench import model_report, published, report
    from pengi_stream.bench.compare import compare
    from pengi_stream.bench.model import Plan
    from pengi_stream.bench.sound import load_sound
    from pengi_stream.bench.subject import load

    checkout = published.checkout(against) if against else None
    if plot:
        report.new_figure()
    configure_logging("warning")
    subjects = [load(name, dtype.strip(), device, ignore_stop=ignore_stop) for dtype in dtypes.split(",")]
    options = DecodingOptions(beams=beams, max_new_tokens=max_new_tokens)
    heard = load_sound(sound, subjects[0].model.sample_rate)
    plan = Plan(heard, options, _sizes(batches), prompts, labels, repeats)
    with _published(checkout, subjects[0], ignore_stop=ignore_stop) as theirs:
        figures = compare(subjects, plan, theirs)
    report.tell(model_report.tables(figures), report.machine_note(figures.machine, figures.peak_memory_mb))
    settings = {
        "model": name,
        "beams": beams,
        "max_new_tokens": max_new_tokens,
        "ignore_stop": ignore_stop,
        "repeats": repeats,
    }
    if json:
        report.write_json(json, "model", settings, figures)
    if plot:
        report.write_plot(plot, lambda figure: model_report.draw(figures, figure))


@contextmanager
def _published(checkout: Path | None, subject: Subject, *, ignore_stop: bool) -> Iterator[Published | None]:
    if checkout is None:
        yield None
        return
    from pengi_stream.bench.published import running

    with TemporaryDirectory() as folder, running(checkout, subject.config, Path(folder)) as code:
        yield lambda requests: code.ask(requests, ignore_stop=ignore_stop)


def _sizes(batches: str) -> tuple[int, ...]:
    sizes = [size.strip() for size in batches.split(",")]
    if not all(size.isdigit() and int(size) for size in sizes):
        raise ConfigError(f"--batches {batches}: expected sizes such as 1,4,16")
    return tuple(sorted({int(size) for size in sizes}))

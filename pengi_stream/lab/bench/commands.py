"""`pengi-stream bench`: see docs/performance.md and docs/benchmarks.md."""

from __future__ import annotations

import json as json_lines
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from pengi_stream.config import BatchConfig, WindowConfig
from pengi_stream.errors import ConfigError
from pengi_stream.logging import configure_logging
from pengi_stream.options import DecodingOptions, Prompt
from pengi_stream.prompts import TASKS
from pengi_stream.sounds.demo import NAME

if TYPE_CHECKING:
    from pengi_stream.lab.bench.models.compare import Published
    from pengi_stream.lab.bench.models.subject import Subject
    from pengi_stream.lab.bench.pipelines.piped import Asked
    from pengi_stream.protocols import AudioLanguageModel

app = typer.Typer(
    help="Measure how fast models and pipelines are on this machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Model = Annotated[str, typer.Option("--model", help="mini, a checkpoint folder, or fake.")]
Dtypes = Annotated[
    str, typer.Option("--dtype", metavar="A,B", help="auto, float32, bfloat16; of several, each is measured by turns.")
]
Dtype = Annotated[str, typer.Option("--dtype", help="auto, float32 or bfloat16.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
Batches = Annotated[str, typer.Option("--batches", metavar="N,N", help="Requests in a batch.")]
Beams = Annotated[int, typer.Option("--beams", min=1)]
Tokens = Annotated[int, typer.Option("--max-new-tokens", min=1)]
IgnoreStop = Annotated[bool, typer.Option("--ignore-stop", help="Every text has all its tokens.")]
MaxBatchSize = Annotated[int, typer.Option(min=1)]
MaxWaitS = Annotated[float, typer.Option(min=0, help="A request waits so long for others to share its batch.")]
HopS = Annotated[float | None, typer.Option("--hop-s", help="Seconds from one window to the next.")]
Repeats = Annotated[int, typer.Option("--repeats", min=1, help="After one to warm up; all cases take turns in each.")]
Recording = Annotated[Path | None, typer.Option("--sound", help="A recording to hear, or demo; default: noise.")]
Json = Annotated[Path | None, typer.Option("--json", help="A file for all figures.")]
Plot = Annotated[Path | None, typer.Option("--plot", help="A PNG; needs the extra `bench`.")]
Against = Annotated[
    str | None,
    typer.Option("--against", metavar="published=PATH", help="Time a checkout of the published code as well."),
]


@app.command("model")
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
    from pengi_stream.lab.bench import report
    from pengi_stream.lab.bench.models import model_report, published
    from pengi_stream.lab.bench.models.compare import compare
    from pengi_stream.lab.bench.models.model import Plan
    from pengi_stream.lab.bench.models.subject import load
    from pengi_stream.lab.bench.sound import load_sound

    checkout = published.checkout(against) if against else None
    if plot:
        report.new_figure()
    configure_logging("warning")
    subjects = [load(name, dtype.strip(), device, ignore_stop=ignore_stop) for dtype in dtypes.split(",")]
    options = DecodingOptions(beams=beams, max_new_tokens=max_new_tokens)
    heard = load_sound(sound, subjects[0].model.sample_rate)
    plan = Plan(heard, options, _sizes(batches), prompts, labels, repeats)
    with _published(checkout, subjects[0], ignore_stop=ignore_stop) as theirs:
        figures = compare(subjects, plan, theirs, _progress(repeats))
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


@app.command("pipeline")
def pipeline(  # noqa: PLR0913  the options of a command
    *,
    name: Model = "mini",
    dtype: Dtype = "auto",
    device: Device = "auto",
    beams: Beams = 1,
    max_new_tokens: Tokens = 30,
    ignore_stop: IgnoreStop = False,
    windows: Annotated[int, typer.Option(min=1, help="In each run.")] = 192,
    max_batch_size: MaxBatchSize = 16,
    max_wait_s: MaxWaitS = 0.0,
    hop_s: HopS = None,
    quiet_s: Annotated[float, typer.Option(min=2, help="Seconds at low load, for each latency.")] = 15.0,
    repeats: Repeats = 5,
    sound: Recording = None,
    json: Json = None,
    plot: Plot = None,
) -> None:
    """Time the same windows without and with a pipeline around the model, and the latency that it adds at low load."""
    from pengi_stream.lab.bench import report
    from pengi_stream.lab.bench.models.subject import load
    from pengi_stream.lab.bench.pipelines import pipeline_report
    from pengi_stream.lab.bench.pipelines.pipeline import Load, measure
    from pengi_stream.lab.bench.sound import load_sound

    if plot:
        report.new_figure()
    configure_logging("warning")
    direct, piped = (load(name, dtype, device, ignore_stop=ignore_stop).model for _ in range(2))
    batch = BatchConfig(max_batch_size=max_batch_size, max_wait_s=max_wait_s)
    asked = _asked(piped, DecodingOptions(beams=beams, max_new_tokens=max_new_tokens), batch, hop_s)
    figures = measure(
        Load(direct, asked, load_sound(sound, direct.sample_rate), windows, repeats), quiet_s, _progress(repeats)
    )
    report.tell(pipeline_report.tables(figures), report.machine_note(figures.machine, figures.peak_memory_mb))
    settings = {"model": name, "beams": beams, "max_new_tokens": max_new_tokens, "max_batch_size": max_batch_size}
    if json:
        report.write_json(json, "pipeline", settings, figures)
    if plot:
        report.write_plot(plot, lambda figure: pipeline_report.draw(figures, figure))


@app.command("feeds")
def feeds(  # noqa: PLR0913  the options of a command
    *,
    name: Model = "mini",
    dtype: Dtype = "auto",
    device: Device = "auto",
    p95: Annotated[float, typer.Option(min=0.001, help="Seconds from a window's end to its event, at most.")] = 1.0,
    seconds: Annotated[float, typer.Option(min=1, help="Of each trial.")] = 40.0,
    start: Annotated[int, typer.Option("--feeds", min=1, help="To begin with.")] = 50,
    step: Annotated[int, typer.Option(min=1, help="How exactly the number is found.")] = 10,
    max_new_tokens: Tokens = 30,
    max_batch_size: MaxBatchSize = 16,
    max_wait_s: MaxWaitS = 0.0,
    hop_s: HopS = None,
    repeats: Annotated[int, typer.Option(min=1, help="Of the number that was found.")] = 3,
    sound: Annotated[Path, typer.Option("--sound", help="A recording; each feed begins somewhere in it.")] = Path(NAME),
    json: Json = None,
    plot: Plot = None,
) -> None:
    """Find how many live feeds a model answers in time, one caption a window; each trial takes --seconds."""
    from pengi_stream.lab.bench import report
    from pengi_stream.lab.bench.models.subject import load
    from pengi_stream.lab.bench.pipelines import feeds_report
    from pengi_stream.lab.bench.pipelines.feeds import Sweep, sweep
    from pengi_stream.lab.bench.sound import load_sound

    if plot:
        report.new_figure()
    configure_logging("error")
    subject = load(name, dtype, device)
    batch = BatchConfig(max_batch_size=max_batch_size, max_wait_s=max_wait_s)
    asked = _asked(subject.model, DecodingOptions(max_new_tokens=max_new_tokens), batch, hop_s)
    heard = load_sound(sound, subject.model.sample_rate)
    subject.model.warmup()
    figures = sweep(
        Sweep(asked, heard, seconds, p95, start, step, repeats),
        lambda trial: typer.echo(feeds_report.line(trial), err=True),
    )
    memory_mb = max(trial.memory_mb for trial in figures.trials)
    report.tell(
        feeds_report.tables(figures), feeds_report.result(figures), report.machine_note(figures.machine, memory_mb)
    )
    settings = {"model": name, "seconds": seconds, "max_batch_size": max_batch_size, "max_wait_s": max_wait_s}
    if json:
        report.write_json(json, "feeds", settings, figures)
    if plot:
        report.write_plot(plot, lambda figure: feeds_report.draw(figures, figure))


@app.command("kafka")
def kafka(
    bootstrap: Annotated[
        str, typer.Option("--bootstrap-server", help="A broker, which is filled with new topics.")
    ] = "127.0.0.1:9092",
    streams: Annotated[int, typer.Option(help="Real-time streams of 44.1 kHz, 16 bits, in records of 64 KB.")] = 300,
    seconds: Annotated[float, typer.Option(help="Of sound of each stream.")] = 20.0,
    model_rate: Annotated[int, typer.Option(help="Of the fake model, in Hz; another than 44100: resampling.")] = 44_100,
    stage: Annotated[str, typer.Option(help="How far sound goes: cut, model, l16, flac16 or flac.")] = "cut",
    partitions: int = 8,
    processes: int = 1,
) -> None:
    """Read a backlog from Kafka; prints how many real-time streams that is, as one line of JSON."""
    from pengi_stream.lab.bench.pipelines.kafka import Trial, as_json, measure
    from pengi_stream.lab.bench.pipelines.kafka_feed import RATE, RECORD_BYTES

    records = max(1, round(seconds * RATE * 2 / RECORD_BYTES))
    configure_logging("warning")
    trial = Trial((bootstrap,), streams, records, partitions, processes, model_rate, stage=stage)
    typer.echo(json_lines.dumps(as_json(trial, measure(trial))))


def _asked(model: AudioLanguageModel, options: DecodingOptions, batch: BatchConfig, hop_s: float | None) -> Asked:
    """A pipeline that asks for a caption of each window."""
    from pengi_stream.lab.bench.pipelines.piped import Asked
    from pengi_stream.runtime.build import window_spec

    windows = window_spec(WindowConfig(hop_s=hop_s, tail="drop"), model)
    return Asked(model, windows, (Prompt("caption", TASKS["caption"], options),), batch)


@contextmanager
def _published(checkout: Path | None, subject: Subject, *, ignore_stop: bool) -> Iterator[Published | None]:
    if checkout is None:
        yield None
        return
    from pengi_stream.lab.bench.models.published import running

    with TemporaryDirectory() as folder, running(checkout, subject.config, Path(folder)) as code:
        yield lambda requests: code.ask(requests, ignore_stop=ignore_stop)


def _progress(repeats: int) -> Callable[[int], None]:
    return lambda repeat: typer.echo(f"{repeat} of {repeats} repeats done", err=True)


def _sizes(batches: str) -> tuple[int, ...]:
    sizes = [size.strip() for size in batches.split(",")]
    if not all(size.isdigit() and int(size) for size in sizes):
        raise ConfigError(f"--batches {batches}: expected sizes such as 1,4,16")
    return tuple(sorted({int(size) for size in sizes}))

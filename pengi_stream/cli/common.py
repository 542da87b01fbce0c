"""What the commands share: running a pipeline and telling how it ended."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from pengi_stream.cli.findings import open_to_all
from pengi_stream.cli.heard import Heard
from pengi_stream.cli.progress import loading
from pengi_stream.cli.ran import Ran, RunError, ran_of
from pengi_stream.cli.summary import summary
from pengi_stream.clock import SystemClock
from pengi_stream.config import PipelineConfig, ServerConfig, parse_config
from pengi_stream.errors import ConfigError
from pengi_stream.logging import configure_logging
from pengi_stream.runtime.build import build_pipeline
from pengi_stream.runtime.pipeline import Pipeline
from pengi_stream.runtime.shutdown import stopped_by_signals
from pengi_stream.runtime.sink_writers import NamedSink

log = structlog.get_logger()

NAME_LETTERS = 24
DEFAULT_MIN_DBFS = -60.0

PipelineFile = Annotated[Path, typer.Argument(help="A pipeline file (YAML).")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key, e.g. batch.max_wait_s=1.")
]
Prompts = Annotated[list[str] | None, typer.Option("--prompt", help="What to ask; may be given more than once.")]
Labels = Annotated[
    str | None, typer.Option("--labels", metavar="A,B,C", help="Choose among these instead of free text.")
]
Model = Annotated[str, typer.Option("--model", help="mini, a checkpoint folder, or fake.")]
MinDbfs = Annotated[float, typer.Option("--min-dbfs", max=0, help="Quieter windows are not worth the model's time.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No summary at the end.")]
HopS = Annotated[float | None, typer.Option("--hop-s", help="Seconds from one window to the next.")]


def run_pipeline(config: PipelineConfig, extra_sinks: Sequence[NamedSink] = (), *, has_bar: bool = False) -> Ran:
    """Run `config` to its end; SIGTERM and SIGINT drain it. Raises RunError when something was not done.

    `has_bar`: a progress bar says what is done, also that the model is loaded."""
    log_as(config)
    if warning := open_to_all(config.server):
        log.warning("server_open", reason=warning)
    with _served(config.server) as watch:
        with loading(model_name(config), shown=not has_bar):
            pipeline = build_pipeline(config, extra_sinks)
        watch(pipeline)
        clock = SystemClock()
        start_s = clock.monotonic_s()
        with stopped_by_signals(pipeline) as stopped:
            outcome = pipeline.run()
        ran = ran_of(
            outcome,
            pipeline.metrics,
            signal=stopped.signal,
            took_s=clock.monotonic_s() - start_s,
            min_dbfs=config.gate.min_dbfs,
        )
    if not ran.outcome.ok:
        raise RunError(describe(ran), ran)
    return ran


@contextmanager
def summed_up(*, quiet: bool, files: str = "", heard: Heard | None = None) -> Iterator[Callable[[Ran], None]]:
    """While inside, a run that is told, or fails, is summed up in a line on stderr, unless `quiet`."""

    def tell(ran: Ran) -> None:
        if not quiet:
            typer.echo(summary(ran, files=files, missing_s=heard.missing_s if heard else None), err=True)

    try:
        yield tell
    except RunError as error:
        tell(error.ran)
        raise


@contextmanager
def _served(config: ServerConfig | None) -> Iterator[Callable[[Pipeline], None]]:
    """While inside, a server answers, where one is wanted, of the pipeline that it is told."""
    if config is None:
        yield lambda _: None
        return
    from pengi_stream.server.http import HttpServer  # most runs need no web server

    with HttpServer(config) as server:
        yield server.watch


def model_name(config: PipelineConfig) -> str:
    """What a user calls the model."""
    return str(getattr(config.model, "checkpoint", config.model.type))


def log_as(config: PipelineConfig) -> None:
    """Log as `config` says, unless --debug came first."""
    if not structlog.is_configured():
        configure_logging(config.logging.level, config.logging.format)


def describe(ran: Ran, bad: str | None = None) -> str:
    """What went wrong, in one line; `bad` says it of inputs."""
    outcome = ran.outcome
    parts = list(outcome.errors[:1])
    if outcome.unheard and ran.signal is not None:
        parts.append(f"stopped by {signal.Signals(ran.signal).name}: {'; '.join(outcome.unheard)}")
    if outcome.bad_records:
        parts.append(bad or f"{outcome.bad_records} input(s) could not be processed; the rest was done")
    if outcome.abandoned:
        parts.append(f"{outcome.abandoned} request(s) or window(s) were abandoned at the end")
    return "; ".join(parts)


def quick_config(
    name: str,
    model: str,
    source: dict[str, Any],
    sink: dict[str, Any],
    prompts: Sequence[dict[str, Any]],
    *,
    hop_s: float | None,
    min_dbfs: float,
) -> PipelineConfig:
    """The pipeline of a command that needs no file. Raises ConfigError."""
    data = {
        "model": {"type": "fake"} if model == "fake" else {"type": "pengi", "checkpoint": model},
        "sources": [source],
        "sinks": [sink],
        "prompts": list(prompts),
        "window": {"hop_s": hop_s},
        "gate": {"min_dbfs": min_dbfs},
    }
    return parse_config(data, name=name, origin=name)


def questions(prompts: Sequence[str] | None, labels: str | None) -> list[dict[str, Any]]:
    """Prompts as in a pipeline file; `labels` makes each of them close-ended. Raises ConfigError."""
    chosen = [label.strip() for label in (labels or "").split(",") if label.strip()]
    if labels is not None and len(chosen) < 2:
        raise ConfigError(
            f"--labels: found {len(chosen)} label(s), of which one is always chosen; expected two or more, as in "
            '"dog,siren,rain"; or ask --prompt "question: is there a dog?"'
        )
    if not prompts:
        return [
            {"id": "labels", "task": "classify", "labels": chosen} if chosen else {"id": "caption", "task": "caption"}
        ]
    names = [_name(text) for text in prompts]
    return [
        {"id": name if names.count(name) == 1 else f"{name}-{i}", "text": text, "labels": chosen}
        for i, (name, text) in enumerate(zip(names, prompts, strict=True), start=1)
    ]


def _name(prompt: str) -> str:
    """What lines call a prompt: its first words."""
    words = "-".join(re.findall(r"\w+", prompt.lower()))
    return words[:NAME_LETTERS].strip("-") or "prompt"

"""`python -m pengi_stream.bench kafka`; all other benchmarks are `pengi-stream bench`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from pengi_stream.bench.kafka import Trial, as_json, measure
from pengi_stream.bench.kafka_feed import RATE, RECORD_BYTES
from pengi_stream.logging import configure_logging

app = typer.Typer(add_completion=False, help="The benchmark that needs a Kafka broker.", pretty_exceptions_enable=False)

Server = Annotated[str, typer.Option("--bootstrap-server", help="A broker, which is filled with new topics.")]
Streams = Annotated[int, typer.Option(help="Real-time streams of 44.1 kHz, 16 bits, in records of 64 KB.")]
Seconds = Annotated[float, typer.Option(help="Of sound of each stream.")]
Rate = Annotated[int, typer.Option(help="Of the fake model, in Hz; another than 44100 means resampling.")]
Stage = Annotated[str, typer.Option(help="How far sound goes: cut, model, l16, flac16 or flac.")]


@app.callback()
def _bench() -> None: ...


@app.command()
def kafka(
    bootstrap: Server = "127.0.0.1:9092",
    streams: Streams = 300,
    seconds: Seconds = 20.0,
    model_rate: Rate = RATE,
    stage: Stage = "cut",
    partitions: int = 8,
    processes: int = 1,
) -> None:
    """Read a backlog from Kafka; prints how many real-time streams that is, as one line of JSON."""
    records = max(1, round(seconds * RATE * 2 / RECORD_BYTES))
    configure_logging("warning")
    trial = Trial((bootstrap,), streams, records, partitions, processes, model_rate, stage=stage)
    typer.echo(json.dumps(as_json(trial, measure(trial))))


if __name__ == "__main__":
    app()

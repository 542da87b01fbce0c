"""`python -m pengi_stream.bench kafka|model`"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from pengi_stream.bench.kafka import Trial, as_json, measure
from pengi_stream.bench.kafka_feed import RATE, RECORD_BYTES
from pengi_stream.bench.model import measure as measure_model
from pengi_stream.logging import configure_logging
from pengi_stream.models.pengi import PengiModelConfig
from pengi_stream.options import DecodingOptions

app = typer.Typer(add_completion=False, help="Benchmarks.", pretty_exceptions_enable=False)

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


@app.command()
def model(
    checkpoint: str = "mini",
    batches: str = "1,4,16",
    dtype: str = "float32",
    beams: int = 1,
    max_new_tokens: int = 30,
    repeats: int = 3,
) -> None:
    """Time a model on the CPU, by batch size, beside a large matrix product; prints one line of JSON."""
    import torch  # here, so that it is not counted as memory of the Kafka benchmark

    from pengi_stream.bench.machine import matrix_gflops, peak_memory_mb

    config = PengiModelConfig.model_validate(
        {"type": "pengi", "checkpoint": checkpoint, "device": "cpu", "dtype": dtype}
    )
    options = DecodingOptions(beams=beams, max_new_tokens=max_new_tokens)
    figures = measure_model(config.build(), [int(size) for size in batches.split(",")], options, repeats)
    machine = {
        "threads": torch.get_num_threads(),
        "matrix_gflops_float32": matrix_gflops(torch.float32),
        "matrix_gflops_bfloat16": matrix_gflops(torch.bfloat16),
        "peak_memory_mb": peak_memory_mb(),
    }
    identity = {"checkpoint": checkpoint, "dtype": dtype, "torch": torch.__version__}
    typer.echo(json.dumps({**identity, **machine, "batches": [asdict(each) for each in figures]}))


if __name__ == "__main__":
    app()

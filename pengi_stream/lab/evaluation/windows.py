"""What a model is asked about, one window at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from pengi_stream.lab.mixing import tile
from pengi_stream.protocols import AudioLanguageModel
from pengi_stream.types import Samples, Stream, Window

BATCH = 16
T = TypeVar("T")


def in_batches(items: Iterable[T]) -> Iterator[list[T]]:
    """`items`, as many together as a model is asked at once; taken as they are needed."""
    waiting = iter(items)
    while some := list(islice(waiting, BATCH)):
        yield some


def as_window(samples: Samples, name: str, model: AudioLanguageModel) -> Window:
    """The first window of `samples`, which are at the model's rate."""
    count = model.window_samples
    return Window(
        stream=Stream(name),
        segment_sample=0,
        first_sample=0,
        samples=tile(samples, count),
        valid_samples=min(len(samples), count),
        sample_rate=model.sample_rate,
        start_ns=0,
        end_ns=round(min(len(samples), count) * 1e9 / model.sample_rate),
        ready_s=0.0,
    )

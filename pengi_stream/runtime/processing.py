"""What stands between the intakes and the sinks: the model and what interprets it, or nothing but a queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pengi_stream.clock import Clock
from pengi_stream.engine.batcher import Batcher
from pengi_stream.engine.coverage import Coverage
from pengi_stream.engine.reorder import Reorder
from pengi_stream.engine.stages import PureStage, Stages
from pengi_stream.engine.texts import Notices, Texts
from pengi_stream.errors import ConfigError
from pengi_stream.outcomes import StatusChange
from pengi_stream.protocols import AudioLanguageModel
from pengi_stream.runtime.asking import Asker, Joined, Questions, Requests
from pengi_stream.runtime.assembly import Assembly
from pengi_stream.runtime.channel import Channel
from pengi_stream.runtime.dead_letters import DeadLetters
from pengi_stream.runtime.forward import Forward, Sender, Windows, window_bytes
from pengi_stream.runtime.inference import Inference
from pengi_stream.runtime.intake import Next
from pengi_stream.runtime.interpreter import Interpreter
from pengi_stream.runtime.sink_writers import SinkWriters
from pengi_stream.runtime.stage import Closable
from pengi_stream.runtime.tracker import Tracker
from pengi_stream.runtime.waiting import MOST_BYTES, Weighed

BATCHES_WAITING = 4  # batches' worth of stored requests between the intakes and the model
ITEMS_WAITING = 4096  # of stored streams, between the intakes and the sinks
WINDOWS_WAITING = 1024


@dataclass(frozen=True, slots=True)
class Processing:
    """Stages to be run, and the channels between them."""

    name: str
    channels: Sequence[Channel[Any, Any]]
    """The last one is read by `hand_on`"""
    queues: Sequence[str]
    """Their names"""
    inputs: Sequence[Closable]
    """What each intake writes to"""
    worked: Channel[Any, Any] | None
    """What `workers` read"""
    workers: Sequence[Callable[[], None]]
    """Threads that write to the last channel"""
    hand_on: Callable[[], None]
    behind: Next
    """What each intake gives its windows to"""
    tell: Callable[[int, StatusChange], None]


def listening(
    assembly: Assembly, sinks: SinkWriters, dead_letters: DeadLetters, tracker: Tracker, clock: Clock
) -> Processing:
    """Asks the model."""
    model, feeds = assembly.model, len(assembly.feeds)
    if model is None:
        raise ConfigError("found no model, expected one to ask")
    batcher = Batcher(
        max_batch_size=assembly.max_batch_size,
        max_wait_s=assembly.max_wait_s,
        max_age_s=assembly.max_age_s,
        capacity=assembly.max_batch_size * BATCHES_WAITING,
    )
    requests: Requests = Channel(batcher, producers=feeds, clock=clock)
    joined: Joined = Channel(Reorder(ITEMS_WAITING, MOST_BYTES), producers=feeds + model.concurrency, clock=clock)
    keeps_samples = any(named.sink.wants_samples for named in assembly.sinks)
    inference = Inference(model, assembly.metrics, keeps_samples)
    stages = Stages(pure_stages(assembly, model))
    interpreter = Interpreter(stages, sinks, dead_letters, tracker, clock)
    questions = Questions(assembly.prompts)
    asker = Asker(questions, requests, joined, tracker, assembly.metrics, keeps_samples=keeps_samples)
    return Processing(
        name="model",
        channels=[requests, joined],
        queues=["requests", "answers"],
        inputs=[requests, joined],
        worked=requests,
        workers=[partial(inference.work, requests, joined)] * model.concurrency,
        hand_on=partial(interpreter.work, joined),
        behind=asker,
        tell=asker.tell,
    )


def pure_stages(assembly: Assembly, model: AudioLanguageModel) -> list[PureStage]:
    """What makes events, in the order in which they are given."""
    texts = [Texts(prompt, assembly.name, model.identity) for prompt in assembly.prompts]
    return [Notices(assembly.name), *texts, Coverage(assembly.name)]


def forwarding(
    assembly: Assembly, sinks: SinkWriters, dead_letters: DeadLetters, tracker: Tracker, clock: Clock
) -> Processing:
    """Sends windows on as they are: workers elsewhere ask about them."""
    windows: Windows = Channel(Weighed(WINDOWS_WAITING, window_bytes), producers=len(assembly.feeds), clock=clock)
    forward = Forward(sinks, dead_letters, assembly.metrics)
    return Processing(
        name="windows",
        channels=[windows],
        queues=["windows"],
        inputs=[windows],
        worked=None,
        workers=(),
        hand_on=partial(forward.work, windows),
        behind=Sender(windows, tracker, assembly.metrics),
        tell=lambda _source, _change: None,
    )

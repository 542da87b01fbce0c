"""From windows to requests: each prompt is asked about each window; what needs no model goes around it."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from pengi_stream.engine.batcher import Shed
from pengi_stream.engine.done import stream_key
from pengi_stream.engine.reorder import Expected, Finished, Ordered, Passing
from pengi_stream.metrics import Metrics
from pengi_stream.options import Prompt
from pengi_stream.outcomes import Quiet, StatusChange, Unheard, WindowItem, span_of
from pengi_stream.runtime.channel import Channel
from pengi_stream.runtime.tracker import Tracker
from pengi_stream.types import BadRecord, Batch, Gap, Request, Resumed, Revoked, StreamEnd, Window

NO_PROMPT = "no prompt is for this stream"
MOST_KNOWN = 4096  # streams whose prompts are remembered

Joined = Channel[Expected | Passing | Finished, Ordered]
Requests = Channel[Request, Batch | Shed]


class Questions:
    """The prompts of a pipeline at one moment; never changes. A new snapshot takes effect between two windows."""

    def __init__(self, prompts: Sequence[Prompt]) -> None:
        self.prompts = tuple(prompts)
        self._matching: dict[str, tuple[Prompt, ...]] = {}

    def of(self, stream_id: str) -> tuple[Prompt, ...]:
        """Those that are asked about a stream."""
        if stream_id not in self._matching:
            if len(self._matching) >= MOST_KNOWN:
                self._matching.clear()
            self._matching[stream_id] = tuple(
                prompt for prompt in self.prompts if any(fnmatchcase(stream_id, pattern) for pattern in prompt.streams)
            )
        return self._matching[stream_id]


class Asker:
    """Asks the prompts about the windows of one source. One thread, but for `ask_from_now_on`."""

    def __init__(
        self,
        questions: Questions,
        requests: Requests,
        joined: Joined,
        tracker: Tracker,
        metrics: Metrics,
        *,
        keeps_samples: bool = False,
    ) -> None:
        """`keeps_samples`: answers come with the samples of their windows, which are weighed then."""
        self._questions = questions
        self._requests = requests
        self._joined = joined
        self._tracker = tracker
        self._metrics = metrics
        self._keeps_samples = keeps_samples

    def ask_from_now_on(self, questions: Questions) -> None:
        """From the next window on, ask these; the model has been asked whether it can. Any thread."""
        self._questions = questions

    def take(self, source: int, item: WindowItem | Resumed | Revoked) -> None:
        """See `Next.take`."""
        match item:
            case Resumed() | Revoked():
                self._joined.put(Passing(stream_key(item), None, item, item.stream.live))
            case Window():
                self._ask(source, item)
            case Quiet():
                self._gated()
                self._pass(source, item)
            case _:
                self._pass(source, item)

    def tell(self, source: int, change: StatusChange) -> None:
        """Something of a stream that is not in its audio. Any thread."""
        self._pass(source, change)

    def _ask(self, source: int, window: Window) -> None:
        prompts = self._questions.of(window.stream.id)
        if not prompts:
            self._gated()
            self._pass(source, Unheard(span_of(window), NO_PROMPT))
            return
        ledgers = self._metrics.ledgers
        ledgers.enter("windows")
        ledgers.leave("windows", "requested")
        ledgers.enter("requests", len(prompts))
        key, size = stream_key(window), window.samples.nbytes if self._keeps_samples else 0
        requests = [(prompt, self._tracker.opened(source, window)) for prompt in prompts]
        for prompt, work in requests:
            self._joined.put(Expected(work.number, key, work, window.stream.live, size))
            self._requests.put(Request(window, prompt, work.number))

    def _pass(self, source: int, item: Quiet | Unheard | Gap | StreamEnd | BadRecord | StatusChange) -> None:
        work = self._tracker.opened(source, item)
        self._joined.put(Passing(stream_key(item), work, item, item.stream.live))

    def _gated(self) -> None:
        self._metrics.ledgers.enter("windows")
        self._metrics.ledgers.leave("windows", "gated")

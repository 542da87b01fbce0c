"""Which texts, gaps, drops and bad records become events. Pure."""

from __future__ import annotations

from pengi_stream.engine.events import (
    drop_event,
    gap_event,
    named,
    source_event,
    status_event,
    text_event,
    what_was_asked,
)
from pengi_stream.engine.stages import PureStage, Step
from pengi_stream.options import Prompt
from pengi_stream.outcomes import Heard, Outcome, StatusChange, Unheard
from pengi_stream.types import BadRecord, Gap, Plain


class Notices(PureStage):
    """Tells of gaps, of requests that were given up, and of input that could not be processed. Remembers nothing."""

    key = "notices"

    def __init__(self, pipeline: str) -> None:
        self._pipeline = pipeline

    def take(self, item: Outcome, state: Plain, now_ns: int) -> Step:  # noqa: ARG002
        match item:
            case StatusChange():
                return Step(None, (status_event(item, self._pipeline),))
            case Gap():
                return Step(None, (gap_event(item, self._pipeline),))
            case BadRecord():
                return Step(None, (source_event(item, self._pipeline),))
            case Unheard(record=BadRecord() as record):
                return Step(None, (source_event(record, self._pipeline),))
            case Unheard(prompt=Prompt() as prompt):
                return Step(None, (drop_event(item, prompt, self._pipeline),))
        return Step(None)


class Texts(PureStage):
    """The texts of one prompt that are sure enough; with `only_changes`, those that differ from the stream's last."""

    def __init__(self, prompt: Prompt, pipeline: str, model_identity: str) -> None:
        self.key = f"text-{named(prompt.id, what_was_asked(prompt), model_identity)}"
        self._prompt = prompt
        self._pipeline = pipeline
        self._model_identity = model_identity

    def take(self, item: Outcome, state: Plain, now_ns: int) -> Step:
        if not isinstance(item, Heard) or item.prompt.id != self._prompt.id:
            return Step(state)
        if item.confidence < self._prompt.threshold or (self._prompt.only_changes and item.text == state):
            return Step(state)
        event = text_event(item, self._pipeline, self._model_identity, now_ns)
        return Step(item.text if self._prompt.only_changes else None, (event,))

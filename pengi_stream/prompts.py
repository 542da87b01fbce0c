"""The questions of a pipeline file, and the paper's prompts by name."""

from __future__ import annotations

from pydantic import Field, model_validator

from pengi_stream.options import DecodingOptions, Prompt
from pengi_stream.plugins import FrozenModel

QUESTION = "question"

TASKS = {
    "caption": "generate audio caption",
    "tags": "generate metadata",
    "events": "this is a sound of",
    "scene": "this acoustic scene is",
    "emotion": "this emotion is",
    "sentiment": "this sentiment is",
    "music": "music analysis this is a sound of",
    QUESTION: "question:",
    "classify": "this is a sound of",
}
"""Task presets: the prompts of the Pengi paper (arXiv 2305.11834), by name."""


class PromptConfig(FrozenModel):
    """One question that is asked about each window."""

    id: str
    text: str | None = None
    task: str | None = None
    """A preset instead of `text`: caption, tags, events, scene, emotion, sentiment, music, question, classify."""
    question: str | None = None
    """What the task `question` asks."""
    labels: tuple[str, ...] = ()
    """Close-ended: these are ranked, nothing is generated."""
    threshold: float = Field(default=0, ge=0, le=1)
    beams: int = Field(default=1, ge=1, le=16)
    max_new_tokens: int = Field(default=30, ge=1, le=256)
    temperature: float = Field(default=1.0, gt=0)
    top_p: float | None = Field(default=None, gt=0, le=1)
    """Draw tokens at random, from the fewest whose probabilities reach this sum (1: from all); needs one beam."""
    seed: int = Field(default=0, ge=0)
    """Of what is drawn: the same seed and window give the same text."""
    add_text: str = ""
    """Additional text between prompt and answer; begin it with a space."""
    stop: tuple[str, ...] = ()
    """The text ends before the first of these."""
    novelty: float | None = Field(default=None, gt=0, le=2)
    """A window that is less than this from the last one that was asked about, by the cosine distance of their
    embeddings (0 to 2), gets the answer of that again; its event says `repeated`. Null: each window is asked about."""
    only_changes: bool = False
    """A text is emitted only where it differs from the last one of its stream; `threshold` comes before."""
    streams: tuple[str, ...] = ("*",)

    @model_validator(mode="after")
    def _check(self) -> PromptConfig:
        if (self.text is None) == (self.task is None):
            raise ValueError(f"prompt {self.id!r} needs either `text` or `task`")
        if self.task is not None and self.task not in TASKS:
            raise ValueError(f"no task {self.task!r}; expected one of {', '.join(TASKS)}")
        if (self.task == QUESTION) != (self.question is not None):
            raise ValueError(f"prompt {self.id!r}: `task: question` and `question` go together")
        if not all(text.strip() for text in (self.text, self.question) if text is not None):
            raise ValueError(f"prompt {self.id!r} has an empty text")
        self._check_labels()
        self._options()  # raises ValueError
        return self

    def _check_labels(self) -> None:
        if not all(label.strip() for label in self.labels):
            raise ValueError(f"prompt {self.id!r} has an empty label")
        if len(set(self.labels)) < len(self.labels):
            raise ValueError(f"prompt {self.id!r} has a label twice")
        if self.task == "classify" and not self.labels:
            raise ValueError(f"prompt {self.id!r}: the task classify needs `labels`")

    @property
    def _text(self) -> str:
        text = self.text or TASKS[self.task or ""]
        return text if self.question is None else f"{text} {self.question}"

    def _options(self) -> DecodingOptions:
        return DecodingOptions(
            beams=self.beams,
            max_new_tokens=self.max_new_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
            add_text=self.add_text,
            stop=self.stop,
        )

    def build(self) -> Prompt:
        """Ready to be asked."""
        return Prompt(
            id=self.id,
            text=self._text,
            options=self._options(),
            labels=self.labels,
            threshold=self.threshold,
            novelty=self.novelty,
            only_changes=self.only_changes,
            streams=self.streams,
        )

"""Audio from Kafka: its config; what runs is in `source`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pengi_stream.audio.pcm import AudioFormat
from pengi_stream.clock import parse_rfc3339
from pengi_stream.errors import ConfigError
from pengi_stream.kafka.config import BootstrapServers, TopicName
from pengi_stream.kafka.ends import ends_of, trouble_with_ends
from pengi_stream.kafka.security import SecurityConfig
from pengi_stream.plugins import DeadLettersConfig, PipelineParts, SinkConfig, TransactionalSourceConfig
from pengi_stream.protocols import Context, Source

if TYPE_CHECKING:
    from pengi_stream.kafka.audio.source import KafkaSource
    from pengi_stream.kafka.transaction import KafkaTransaction

START_WORDS = ("earliest", "latest", "committed")


def _check_start(found: str) -> str:
    if found in START_WORDS:
        return found
    try:
        parse_rfc3339(found)
    except ValueError as error:
        words = ", ".join(START_WORDS)
        raise ValueError(f"found {found!r}; expected {words}, or a time such as 2026-01-31T12:00:00Z") from error
    return found


def _check_pattern(found: str) -> str:
    try:
        re.compile(found)
    except re.error as error:
        raise ValueError(f"found {found!r}, which is no regular expression: {error}") from error
    return found


def _text(found: object) -> object:
    """YAML reads a time stamp without quotes as a date."""
    return found.isoformat() if isinstance(found, datetime) else found


class KafkaSourceConfig(TransactionalSourceConfig):
    """Audio from topics: keys are streams, values PCM, WAV, FLAC or Ogg."""

    type: Literal["kafka"]
    bootstrap_servers: BootstrapServers
    topics: tuple[TopicName, ...] = ()
    pattern: Annotated[str, AfterValidator(_check_pattern)] | None = None
    """Regular expression of topics' names, also of those that come later"""
    group_id: str = Field(min_length=1)
    """Workers of one group share the partitions."""
    start: Annotated[str, BeforeValidator(_text), AfterValidator(_check_start)] = "earliest"
    """Where the group has committed nothing yet: earliest, latest, a time, or committed (then it is an error)"""
    audio: AudioFormat | None = None
    """What records without a header content-type hold that do not begin as WAV, FLAC or Ogg; null: all must"""
    idle_s: float = Field(default=60, gt=0)
    """A stream ends when its partition's records go on for so long, by their times, without one of it."""
    gap_tolerance_s: float = Field(default=2, gt=0)
    """A record's time stamp that is later than expected by more means a gap; 0.25 s at most for a captured-at."""
    max_streams: int = Field(default=1000, ge=1)
    """In a partition, at once; records of others are bad records"""
    max_record_s: float = Field(default=120, gt=0)
    """Longer records are bad records"""
    buffer_mb: float = Field(default=32, gt=0)
    """Records that wait to be read; beyond, fetching pauses"""
    commit_interval_s: float = Field(default=1, gt=0)
    session_timeout_s: float = Field(default=45, ge=1)
    """A worker that was killed is replaced after so long; its broker's limits apply."""
    max_poll_interval_s: float = Field(default=300, ge=1)
    give_up_after_s: float = Field(default=60, ge=0)
    """Without any broker for so long, the run ends."""
    state_topic: TopicName = "pengi-stream-state"
    """Compacted; made when the state of a partition's streams (some 60) is too large for an offset's metadata"""
    security: SecurityConfig = SecurityConfig()

    @model_validator(mode="after")
    def _check(self) -> KafkaSourceConfig:
        if bool(self.topics) == (self.pattern is not None):
            raise ValueError("a Kafka source needs either `topics` or `pattern`")
        return self

    def build(self, context: Context) -> KafkaSource:
        from pengi_stream.kafka.audio.source import KafkaSource

        return KafkaSource(self, context)

    def build_transaction(
        self, context: Context, source: Source, sinks: Sequence[SinkConfig], dead_letters: DeadLettersConfig | None
    ) -> KafkaTransaction:
        from pengi_stream.kafka.audio.source import KafkaSource
        from pengi_stream.kafka.transaction import KafkaTransaction

        if not isinstance(source, KafkaSource):
            raise ConfigError(f"found a source of type {type(source).__name__}, expected one of Kafka")
        return KafkaTransaction(source.place, ends_of(sinks, dead_letters), context)

    def check(self, pipeline: PipelineParts) -> Iterable[str]:
        return [f"delivery.guarantee: {line}" for line in self._troubles(pipeline)] if pipeline.exactly_once else []

    def _troubles(self, pipeline: PipelineParts) -> Iterator[str]:
        """What stands in the way of exactly_once; one source of several says it."""
        if next(source for source in pipeline.sources if isinstance(source, KafkaSourceConfig)) is not self:
            return
        if trouble := trouble_with_ends(pipeline):
            yield trouble
        if forgetful := pipeline.forgetful_prompts:
            yield (
                f"exactly_once, and novelty in {', '.join(forgetful)}: what was said before a restart is forgotten, so "
                "texts would differ from an undisturbed run's; leave one of the two out"
            )

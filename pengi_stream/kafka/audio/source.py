"""Audio from Kafka, of as many streams as there are keys, shared among the workers of a group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import structlog

from pengi_stream.clock import Clock, Deadline, parse_rfc3339
from pengi_stream.kafka.audio.config import KafkaSourceConfig
from pengi_stream.kafka.audio.count import NS_PER_MS
from pengi_stream.kafka.audio.doubt import Doubter
from pengi_stream.kafka.audio.partition import Counts, PartitionStreams, StreamRules
from pengi_stream.kafka.audio.state import PartitionState, StateWriter, read_state
from pengi_stream.kafka.client.transactions import Place
from pengi_stream.kafka.reading.inbox import Assigned, RawRecord
from pengi_stream.kafka.reading.kept import Kept, StateError
from pengi_stream.kafka.reading.lanes import LaneReader
from pengi_stream.kafka.reading.options import ConsumerOptions, Start
from pengi_stream.kafka.reading.reader import GroupReader
from pengi_stream.protocols import AudioSource, Context
from pengi_stream.status import Status
from pengi_stream.types import CommitPosition, Resumed, Revoked, SourceItem

log = structlog.get_logger()

PATIENCE_S = 5.0  # of one that waits for the next record of its stream


class KafkaSource(AudioSource):
    """Reads the partitions that its group gives it.

    A commit keeps, with the offset, what the streams of the partition had counted there and how far they are done, so
    that whoever reads on gives the same windows, and none twice that was done.
    """

    def __init__(self, config: KafkaSourceConfig, context: Context) -> None:
        self._rules = StreamRules(
            config.audio, config.gap_tolerance_s, config.idle_s, config.max_streams, config.max_record_s
        )
        self._clock = context.clock
        self._reader = GroupReader(consumer_options(config), self._open, context)

    def frames(self) -> Iterator[SourceItem]:
        return self._reader.items()

    def place(self, positions: Sequence[CommitPosition]) -> Place | None:
        """Those of `positions` that are still ours, for a transaction. Any thread; does not block."""
        return self._reader.place(positions)

    def close(self) -> None:
        self._reader.close()

    def finish(self, deadline: Deadline) -> None:
        self._reader.finish(deadline)

    def status(self) -> Status:
        return self._reader.status()

    def _open(self, assigned: Assigned) -> AudioLane:
        return AudioLane(assigned, self._rules, self._clock)


class AudioLane(LaneReader[SourceItem]):
    """One partition, from where it was committed."""

    def __init__(self, assigned: Assigned, rules: StreamRules, clock: Clock) -> None:
        self._clock = clock
        self._lane = assigned.lane
        self._offset = assigned.offset
        self._writer = StateWriter()
        try:
            self._resumed = read_state(assigned.kept)
        except StateError as error:
            log.warning("state_unreadable", partition=self._lane.name, reason=str(error))
            self._resumed = PartitionState(Counts())
        self._streams = PartitionStreams(self._lane, rules, self._resumed.counts)
        self._doubter = Doubter(self._lane, rules, self._streams)
        self._doubted: RawRecord | None = None
        self._patience = Deadline(PATIENCE_S, clock)
        """With what is doubted"""

    def begin(self) -> Iterator[Resumed]:
        position = self._lane.position(self._offset)
        streams = len(self._streams.streams)
        log.info("partition_taken", partition=self._lane.name, offset=self._offset, streams=streams)
        for done in self._resumed.done:
            yield Resumed(done.stream, done, position)

    def take(self, record: RawRecord) -> Iterator[SourceItem]:
        yield from self._doubter.take(record)
        yield from self.wait()

    def wait(self) -> Iterator[SourceItem]:
        if self._doubter.doubted is not self._doubted:
            self._doubted = self._doubter.doubted
            self._patience = Deadline(PATIENCE_S, self._clock)
        elif self._doubted is not None and self._patience.expired:
            yield from self._doubter.believe()

    def lose(self, reason: str) -> Iterator[SourceItem]:
        while self._doubter.doubted is not None:
            yield from self._doubter.believe()
        self._streams.lose(reason)

    def end(self) -> Iterator[Revoked]:
        position = self._lane.position(0)
        resumed = [done.stream for done in self._resumed.done]
        for stream in dict.fromkeys([*self._streams.streams, *resumed]):
            yield Revoked(stream, position)

    def kept(self, position: CommitPosition) -> Kept:
        counts = self._streams.counts_before(position.offset)
        return self._writer.kept(PartitionState(counts, position.states), position.offset)


def consumer_options(config: KafkaSourceConfig) -> ConsumerOptions:
    """What the config says to the consumer."""
    words: dict[str, Start] = {"earliest": "earliest", "latest": "latest", "committed": "committed"}
    return ConsumerOptions(
        servers=config.bootstrap_servers,
        group_id=config.group_id,
        topics=config.topics,
        pattern=config.pattern,
        security=config.security,
        start=words[config.start] if config.start in words else parse_rfc3339(config.start) // NS_PER_MS,
        state_topic=config.state_topic,
        buffer_bytes=round(config.buffer_mb * (1 << 20)),
        commit_interval_s=config.commit_interval_s,
        session_timeout_s=config.session_timeout_s,
        max_poll_interval_s=config.max_poll_interval_s,
        give_up_after_s=config.give_up_after_s,
    )

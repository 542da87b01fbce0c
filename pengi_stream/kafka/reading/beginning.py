"""From where on a partition is read that was given to us."""

from __future__ import annotations

from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

from pengi_stream.errors import SourceError
from pengi_stream.kafka.lane import Lane
from pengi_stream.kafka.reading.options import Start

ASK_MS = 5_000


class Beginning:
    """Where the group has committed, or where it is told to start. Polling thread only; blocks for seconds."""

    def __init__(self, library: KafkaConsumer, start: Start) -> None:
        self._library = library
        self._start = start

    def where(self, partition: TopicPartition) -> tuple[int, str]:
        """The offset, and the metadata that was committed with it. Raises SourceError, KafkaError."""
        committed = self._library.committed(partition, metadata=True, timeout_ms=ASK_MS)
        if committed is not None:
            return committed.offset, committed.metadata or ""
        match self._start:
            case "earliest":
                return self._library.beginning_offsets([partition], timeout_ms=ASK_MS)[partition], ""
            case "committed":
                raise SourceError(
                    f"{Lane(*partition).name}: the group has committed no offset, and start is `committed`; "
                    "use earliest, latest or a time"
                )
            case int(at_ms):
                found = self._library.offsets_for_times({partition: at_ms}, timeout_ms=ASK_MS)[partition]
                return self._begin_at(partition, self._end(partition) if found is None else found.offset), ""
        return self._begin_at(partition, self._end(partition)), ""

    def _end(self, partition: TopicPartition) -> int:
        return int(self._library.end_offsets([partition], timeout_ms=ASK_MS)[partition])

    def _begin_at(self, partition: TopicPartition, offset: int) -> int:
        """Commit where we begin, or a restart before the first commit would begin later and lose what lies between."""
        self._library.commit({partition: OffsetAndMetadata(offset, "", -1)}, timeout_ms=ASK_MS)
        return offset

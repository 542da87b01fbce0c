"""What was durable before a restart is left out of its replay. No thread, no clock, no I/O."""

from __future__ import annotations

from pengi_stream.outcomes import OrderedItem, Quiet, Unheard, WindowItem
from pengi_stream.types import BadRecord, Gap, Resumed, Revoked, SourceItem, StreamEnd, StreamState, Window

Key = tuple[str, str]
"""Of a stream: its id and its lane, since Kafka may have the same key in two of them"""


def stream_key(item: SourceItem | WindowItem | OrderedItem) -> Key:
    """Tells the stream of `item` from all others of its source."""
    return item.stream.id, item.position.lane if item.position else ""


class Done:
    """How far each stream is done, as `Resumed` says. A key may end and begin again behind the place of a restart."""

    def __init__(self) -> None:
        self._states: dict[Key, list[StreamState]] = {}

    def resumed(self, item: Resumed) -> None:
        """From now on, leave out what its state calls done."""
        self._states.setdefault(stream_key(item), []).append(item.state)

    def revoked(self, item: Revoked) -> None:
        """The stream is another worker's."""
        self._states.pop(stream_key(item), None)

    def ended(self, end: StreamEnd) -> None:
        """A life of the stream is over, unless `end` itself was done."""
        if states := self._states.get(stream_key(end)):
            self._states[stream_key(end)] = [
                state for state in states if state.stream != end.stream or _is_done(end, state)
            ]

    def has(self, item: WindowItem) -> bool:
        """Whether `item` was durable before."""
        states = self._states.get(stream_key(item), ())
        return any(state.stream == item.stream and _is_done(item, state) for state in states)


class Repeats:
    """What a sender that was killed sends again, in the order of each stream: what comes from before what was heard."""

    def __init__(self) -> None:
        self._heard: dict[tuple[Key, str, bool], int] = {}

    def has(self, item: WindowItem) -> bool:
        """Whether `item` was heard before. At the end of a stream all of it is forgotten: it may begin again."""
        key, session = stream_key(item), item.stream.session
        if isinstance(item, StreamEnd):
            self._heard.pop((key, session, True), None)
            self._heard.pop((key, session, False), None)
            return False
        if isinstance(item, BadRecord):
            return False
        place = key, session, isinstance(item, Gap)  # gaps count at another rate
        if item.first_sample <= self._heard.get(place, -1):
            return True
        self._heard[place] = item.first_sample
        return False


def _is_done(item: WindowItem, state: StreamState) -> bool:
    if isinstance(item, Window | Quiet | Unheard):
        return item.first_sample < state.next_sample
    return item.position is not None and item.position.offset < state.next_offset

"""Up to where a source is done: positions that may be committed. No thread, no clock, no I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pengi_stream.positions import ReadPosition
from pengi_stream.types import CommitPosition, Plain, Stream, StreamState

States = Sequence[tuple[str, Plain]]
"""What the stages behind the model know of a stream, by their key; None: nothing any more"""


@dataclass(frozen=True, slots=True)
class Work:
    """Something that is on its way to the sinks, and that a replay from `position` would make again."""

    number: int
    """Rises with the order of each stream"""
    source: int
    """Number of its source"""
    stream: Stream
    position: ReadPosition | None
    first_sample: int | None
    """Of a window, quiet or not; None: a gap, an end or a bad record"""


@dataclass(slots=True, eq=False)
class _Entry:
    life: _Life
    offset: int
    first_sample: int | None
    done: bool = False
    states: States = ()


@dataclass(slots=True, eq=False)
class _Life:
    """One stream of a lane, from its beginning to its end. What is open is in the order in which it came."""

    entries: deque[_Entry] = field(default_factory=deque)
    windows: deque[_Entry] = field(default_factory=deque)
    others: deque[_Entry] = field(default_factory=deque)
    passed: deque[tuple[_Entry, States]] = field(default_factory=deque)
    """States behind work that is done, until all of its window is"""
    behind: dict[str, Plain] = field(default_factory=dict)
    replay_from: int | None = None
    """Offset in which the next window begins"""
    window_end: int = 0
    """All windows that begin before this sample were opened"""
    other_end: int = 0
    """All else that comes from before this offset was opened"""
    last: int | None = None
    """Offset of its last record that was read; None: a replay will come to it"""

    @property
    def next_sample(self) -> int:
        first = self.windows[0].first_sample if self.windows else None
        return self.window_end if first is None else first

    @property
    def next_offset(self) -> int:
        return self.others[0].offset if self.others else self.other_end

    def offsets(self) -> Iterator[int]:
        """From where a replay must begin."""
        if self.windows:
            yield self.windows[0].offset
        if self.others:
            yield self.others[0].offset
        if self.replay_from is not None:
            yield self.replay_from

    def open(self, entry: _Entry) -> None:
        self.entries.append(entry)
        if entry.first_sample is None:
            self.others.append(entry)
            self.other_end = max(self.other_end, entry.offset + 1)
        else:
            self.windows.append(entry)
            self.window_end = max(self.window_end, entry.first_sample + 1)

    def advance(self) -> None:
        """Let go of what is done and before which all is done."""
        while self.entries and self.entries[0].done:
            entry = self.entries.popleft()
            (self.others if entry.first_sample is None else self.windows).popleft()
            if entry.states:
                self.passed.append((entry, entry.states))
        while self.passed and self._is_behind(self.passed[0][0]):
            for key, state in self.passed.popleft()[1]:
                if state is None:
                    self.behind.pop(key, None)
                else:
                    self.behind[key] = state

    def is_over(self, safe: int) -> bool:
        """Whether all that was read of it lies before `safe`, and no stage remembers it: at its end they forget it."""
        return self.last is not None and self.last < safe and not self.behind

    def _is_behind(self, entry: _Entry) -> bool:
        if entry.first_sample is None:
            return entry.offset < self.next_offset
        return entry.first_sample < self.next_sample

    def state(self, stream: Stream) -> StreamState:
        return StreamState(stream, self.next_sample, self.next_offset, tuple(sorted(self.behind.items())))


@dataclass(slots=True)
class _Lane:
    assignment: int
    lives: dict[Stream, _Life] = field(default_factory=dict)
    read: int = -1
    committed: int = -1

    def safe(self) -> int:
        """All before this offset is done; forgets the streams of which a replay from there would give nothing, and of
        which nothing is known."""
        safe = min([self.read + 1, *(offset for life in self.lives.values() for offset in life.offsets())])
        for stream in [stream for stream, life in self.lives.items() if life.is_over(safe)]:
            del self.lives[stream]
        return safe


class Watermark:
    """Tracks the work of one source's lanes.

    A position is committable when everything that begins before it is done. Work without a position (files,
    microphones) costs nothing. Work of an older assignment of a lane is stale and ignored. The work of a stream is
    opened in its order. The states behind the model that a position carries are those after the last window that is
    done, with all of its prompts: a replay from there goes on with them.
    """

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane] = {}
        self._oldest: dict[str, int] = {}  # assignment that is not stale, where a lane was revoked
        self._entries: dict[int, _Entry] = {}

    def opened(self, work: Work) -> None:
        """`work` is on its way."""
        life = self._life(work.stream, work.position)
        if work.position is not None and life is not None:
            entry = self._entries[work.number] = _Entry(life, work.position.offset, work.first_sample)
            life.open(entry)

    def interpreted(self, work: Work, states: States) -> None:
        """Behind `work`, which is not done yet, the stages know `states` of its stream: those that changed."""
        if (entry := self._entries.get(work.number)) is not None:
            entry.states = states

    def done(self, work: Work) -> None:
        """`work` is durable."""
        if (entry := self._entries.pop(work.number, None)) is not None:
            entry.done = True
            entry.life.advance()

    def is_stale(self, position: ReadPosition | None) -> bool:
        """Whether `position` is of an assignment that is over."""
        if position is None:
            return False
        found = self._lanes.get(position.lane)
        newest = found.assignment if found else 0
        return position.assignment < max(newest, self._oldest.get(position.lane, 0))

    def resumed(self, state: StreamState, position: ReadPosition) -> None:
        """What was done of a stream before a restart."""
        life = self._life(state.stream, position)
        if life is not None:
            life.window_end, life.other_end, life.last = state.next_sample, state.next_offset, None
            life.behind = dict(state.behind)

    def read(self, stream: Stream, position: ReadPosition, replay_from: ReadPosition | None) -> None:
        """The source was read up to and with `position`; the next window of `stream` begins at `replay_from`."""
        life = self._life(stream, position)
        if life is None:
            return
        lane = self._lanes[position.lane]
        lane.read = max(lane.read, position.offset - position.more)
        life.replay_from = None if replay_from is None else replay_from.offset
        life.last = position.offset

    def revoked(self, lane: str, assignment: int) -> None:
        """Forget `lane` as this and older assignments had it: another worker has it."""
        self._oldest[lane] = assignment + 1
        if lane in self._lanes and self._lanes[lane].assignment <= assignment:
            del self._lanes[lane]

    def committable(self) -> list[CommitPosition]:
        """The positions that moved since they were last given: all before them is done."""
        moved = []
        for name, lane in self._lanes.items():
            safe = lane.safe()
            if safe > lane.committed:
                lane.committed = safe
                moved.append(CommitPosition(name, safe, lane.assignment))
        return moved

    def positions(self) -> list[CommitPosition]:
        """Where each lane that was read is, with the state of its streams."""
        found = []
        for name, lane in self._lanes.items():
            if lane.read >= 0:
                safe = lane.safe()
                states = tuple(life.state(stream) for stream, life in lane.lives.items())
                found.append(CommitPosition(name, safe, lane.assignment, states))
        return found

    def _life(self, stream: Stream, position: ReadPosition | None) -> _Life | None:
        """The stream in the lane of `position`, begun anew where its assignment is newer; None where stale."""
        if position is None or self.is_stale(position):
            return None
        found = self._lanes.get(position.lane)
        if found is None or found.assignment < position.assignment:
            found = self._lanes[position.lane] = _Lane(position.assignment)
        return found.lives.setdefault(stream, _Life())

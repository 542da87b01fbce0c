"""Which records beside an offset are to be written, so that a kill at any moment leaves a state that fits the offset.

Each stream has two slots in a compacted topic. A record carries the epoch of the commit that it belongs to, and goes to
the slot that does not hold what was committed last. A reader takes of each stream the newest record that is not newer
than the epoch in the offset's metadata: what was written for a commit that never came is left out. Each worker that has
the partition writes under a token of its own, which the metadata names, so that a worker which does not know yet that
it lost the partition overwrites nothing, and is not believed. No client, no thread, no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pengi_stream.kafka.reading.kept import MOST_BYTES, Kept, Reference, StateError, pack, reference_text, unpack
from pengi_stream.kafka.reading.kept import whole_text as whole

SMALL_AGAIN = 3 / 4  # to change to and fro would write all each time
LEAST_TEXT = 12  # characters that a stream takes in metadata, with an id of one letter


@dataclass(frozen=True, slots=True)
class SlotKey:
    """Where a stream's record is."""

    token: str
    stream: bytes
    slot: int


@dataclass(frozen=True, slots=True)
class SlotRecord:
    """What is to be durable before, or with, the offset."""

    key: SlotKey
    value: bytes | None
    """None: nothing is kept there any more"""


@dataclass(frozen=True, slots=True)
class Draft:
    """A commit to make: the offset's metadata and the records that it stands on."""

    metadata: str
    records: Sequence[SlotRecord] = ()
    epoch: int = 0
    """0: all is in the metadata"""
    changes: Mapping[bytes, tuple[int, bytes | None]] = field(default_factory=dict)
    """Slot and content of each stream that changed; None: it is over"""
    cleared: int = 0
    """So many of what was left over are taken away by it"""


class Ledger:
    """What is committed of one partition while it is ours. A draft is confirmed or rejected before the next is made."""

    def __init__(self, token: str, strangers: Iterable[SlotKey] = (), most_bytes: int = MOST_BYTES) -> None:
        self._token = token
        self._most_bytes = most_bytes
        self._strangers = list(strangers)
        self._epoch = 0
        self._committed_epoch = 0
        self._durable: dict[bytes, tuple[int, bytes]] = {}
        self._doubtful: set[bytes] = set()
        """Streams of which a slot may hold what was never committed: it must not be taken for what comes later"""
        self._leftover: list[SlotKey] = []

    def draft(self, kept: Kept) -> Draft:
        """What to write so that `kept` is committed."""
        cleared = [SlotRecord(key, None) for key in self._leftover]
        limit = round(SMALL_AGAIN * self._most_bytes) if self._durable else self._most_bytes
        if LEAST_TEXT * len(kept.streams) <= limit and len(text := whole(kept)) <= limit:
            return Draft(text, cleared, cleared=len(cleared))
        changes = self._changes(kept)
        if changes:
            self._epoch += 1
        epoch = self._epoch if changes else self._committed_epoch
        records = [
            SlotRecord(SlotKey(self._token, stream, slot), pack([epoch, content]))
            for stream, (slot, content) in changes.items()
        ]
        reference = Reference(self._token, epoch, len(kept.streams), kept.head)
        return Draft(reference_text(reference), [*cleared, *records], epoch, changes, len(cleared))

    def confirm(self, draft: Draft) -> None:
        """It is committed."""
        self._leftover = [*self._leftover[draft.cleared :], *self._strangers]
        self._strangers = []
        self._doubtful -= draft.changes.keys()
        if draft.epoch == 0:
            for stream in [*self._durable, *self._doubtful - self._durable.keys()]:
                self._leftover += [SlotKey(self._token, stream, slot) for slot in (0, 1)]
            self._durable.clear()
            self._doubtful.clear()
            return
        self._committed_epoch = draft.epoch
        for stream, (slot, content) in draft.changes.items():
            if content is not None:
                self._durable[stream] = slot, content
            else:  # first what it was, then that it is over: the other way round it would be back for a moment
                self._durable.pop(stream, None)
                self._leftover += [SlotKey(self._token, stream, each) for each in (1 - slot, slot)]

    def reject(self, draft: Draft) -> None:
        """It is not committed, and never will be."""
        self._doubtful |= draft.changes.keys()

    def _changes(self, kept: Kept) -> dict[bytes, tuple[int, bytes | None]]:
        changes: dict[bytes, tuple[int, bytes | None]] = {}
        for stream, content in kept.streams.items():
            before = self._durable.get(stream)
            if before is None or before[1] != content or stream in self._doubtful:
                changes[stream] = self._free_slot(stream), content
        for stream in [*self._durable, *self._doubtful - self._durable.keys()]:
            if stream not in kept.streams:
                changes[stream] = self._free_slot(stream), None
        return changes

    def _free_slot(self, stream: bytes) -> int:
        before = self._durable.get(stream)
        return 0 if before is None else 1 - before[0]


def restored(reference: Reference, found: Mapping[SlotKey, bytes]) -> Kept:
    """What `reference` stands for, of the records that were `found`. Raises StateError where some are missing."""
    newest: dict[bytes, tuple[int, bytes | None]] = {}
    for key, value in found.items():
        if key.token != reference.token:
            continue
        epoch, content = unpack(value)
        if epoch <= reference.epoch and epoch > newest.get(key.stream, (0, None))[0]:
            newest[key.stream] = epoch, content
    streams = {stream: content for stream, (_, content) in newest.items() if content is not None}
    if len(streams) != reference.streams:
        raise StateError(f"found {len(streams)} streams, expected {reference.streams}")
    return Kept(reference.head, streams)

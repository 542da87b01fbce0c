"""Whatever is killed between a stream's record and its offset, what is read again is what was committed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from pengi_stream.kafka.reading.kept import Kept, Reference, read_text
from pengi_stream.kafka.reading.ledger import Draft, Ledger, SlotKey, restored

CONTENTS = [b"%d" % number for number in range(4)]
KEYS = [b"%d" % number for number in range(6)]
MOST_BYTES = 45  # holds one stream or two


@dataclass
class Broker:
    """What is durable: the latest record of each key, and the metadata that was committed last."""

    topic: dict[SlotKey, bytes] = field(default_factory=dict)
    metadata: str = ""
    history: dict[str, Kept] = field(default_factory=dict)

    def write(self, draft: Draft, count: int | None = None) -> None:
        for record in draft.records[:count]:
            if record.value is None:
                self.topic.pop(record.key, None)
            else:
                self.topic[record.key] = record.value

    def read(self) -> Kept:
        found = read_text(self.metadata)
        return restored(found, self.topic) if isinstance(found, Reference) else found

    def open(self, token: str) -> Ledger:
        is_beside = isinstance(read_text(self.metadata), Reference)
        return Ledger(token, list(self.topic) if is_beside else [], MOST_BYTES)


STEPS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from(KEYS), st.sampled_from(CONTENTS), max_size=6),
        st.sampled_from(["commit"] * 6 + ["kill", "refuse", "zombie"]),
        st.integers(0, 20),
    ),
    max_size=25,
)


@settings(max_examples=300)
@given(steps=STEPS)
def test_what_is_read_is_what_was_committed_whatever_is_killed_and_when(
    steps: list[tuple[dict[bytes, bytes], str, int]],
) -> None:
    broker, committed, tokens = Broker(), Kept(), 0
    ledger, zombie, zombie_kept = broker.open("0"), None, Kept()
    for number, (streams, what, cut) in enumerate(steps):
        kept = Kept(b"%d" % number, streams)
        draft = ledger.draft(kept)
        match what:
            case "commit":
                broker.write(draft)
                broker.metadata = draft.metadata
                ledger.confirm(draft)
                committed = kept
            case "refuse":
                broker.write(draft, cut)
                ledger.reject(draft)
            case "kill" | "zombie":
                broker.write(draft, cut)
                tokens += 1
                zombie, zombie_kept = (ledger, kept) if what == "zombie" else (None, kept)
                ledger = broker.open(str(tokens))
        if zombie is not None:  # it does not know yet, and writes for commits that are refused
            late = zombie.draft(zombie_kept)
            broker.write(late, cut)
            zombie.reject(late)
            zombie_kept = Kept(b"", {**zombie_kept.streams, KEYS[number % 6]: CONTENTS[number % 4]})
        assert broker.read() == committed
    for _ in range(2):  # two more commits, the second for what the first left over
        draft = ledger.draft(Kept(b"end"))
        broker.write(draft)
        broker.metadata = draft.metadata
        ledger.confirm(draft)
    if zombie is None and all(what in {"commit", "refuse"} for _, what, _ in steps):
        broker.write(ledger.draft(Kept(b"end")))
        assert broker.topic == {}


def large(changed: Mapping[bytes, bytes] | None = None) -> Kept:
    return Kept(b"head", {**{b"%04d" % number: CONTENTS[0] for number in range(1000)}, **(changed or {})})


def committed(ledger: Ledger, kept: Kept) -> Draft:
    draft = ledger.draft(kept)
    ledger.confirm(draft)
    return draft


def test_of_a_thousand_streams_those_are_written_that_changed() -> None:
    ledger = Ledger("a")
    assert len(committed(ledger, large()).records) == 1000
    again = ledger.draft(large())
    assert (again.records, again.epoch) == ([], 1)
    draft = ledger.draft(large({b"0007": CONTENTS[1]}))
    assert [(record.key.stream, record.key.slot) for record in draft.records] == [(b"0007", 1)]
    assert len(draft.metadata) < 100


def test_the_slot_of_what_was_committed_last_is_never_written() -> None:
    ledger = Ledger("a")
    committed(ledger, large())
    for content in (CONTENTS[1], CONTENTS[2]):
        draft = ledger.draft(large({b"0007": content}))
        assert [record.key.slot for record in draft.records] == [1]
        ledger.reject(draft)
    committed(ledger, large({b"0007": CONTENTS[3]}))
    assert [record.key.slot for record in ledger.draft(large()).records] == [0]


def test_what_is_small_is_in_the_metadata_and_takes_what_was_beside_it_away() -> None:
    ledger, broker = Ledger("a"), Broker()
    for kept in (large(), Kept(b"head", {b"a": b"1"}), Kept(b"head", {b"a": b"2"})):
        draft = committed(ledger, kept)
        broker.write(draft)
        broker.metadata = draft.metadata
        assert broker.read() == kept
    assert broker.topic == {}


def test_what_others_left_is_taken_away_once_all_was_written_anew() -> None:
    first, broker = Ledger("a"), Broker()
    draft = committed(first, large())
    broker.write(draft)
    broker.metadata = draft.metadata
    second = broker.open("b")
    for _ in range(2):
        draft = committed(second, large())
        broker.write(draft)
    assert {key.token for key in broker.topic} == {"b"}
    broker.metadata = draft.metadata
    assert broker.read() == large()
